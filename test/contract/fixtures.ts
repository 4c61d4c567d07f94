import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Algorithm, type Digest, digestOf } from '../../src/domain/oci/digest.ts';
import type { Actor, MetadataStore, NewBlob, NewEdge, NewManifest } from '../../src/registry/metadata/store.ts';
import type { BlobStore } from '../../src/registry/storage/store.ts';

export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'ne-registry-contract-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export function digestOfBytes(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Digest {
  return digestOf(algorithm, createHash(algorithm).update(bytes).digest('hex'));
}

/** A digest of nothing in particular that reads as `n`. */
export function digest(n: number): Digest {
  return digestOf('sha256', n.toString(16).padStart(64, '0'));
}

export function by(now: number, origin?: string): Actor {
  return origin === undefined ? { name: 'tester', now } : { name: 'tester', now, origin };
}

export function layer(target: Digest, required = true): NewEdge {
  return { kind: 'layer', digest: target, required };
}

/** A manifest with as little as possible; what matters to the test is given. */
export function manifest(parts: Partial<NewManifest> & { repository: string; digest: Digest }): NewManifest {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  return { mediaType, bytes: Buffer.from(`{"of":"${parts.digest}"}`), edges: [], tags: [], by: by(1000), ...parts };
}

/** Makes a blob known in a repository, under a key of its own. */
export async function addBlob(store: MetadataStore, repository: string, target: Digest, now = 1000): Promise<string> {
  const uploadId = randomUUID();
  const key = `sha256/00/${target.slice(7)}.${uploadId}`;
  await nameBlob(store, { repository, digest: target, size: 10, key, uploadId, now });
  return key;
}

/** An upload that ends at once in these bytes. */
export async function nameBlob(store: MetadataStore, blob: NewBlob): Promise<void> {
  const { uploadId: id, repository, now: startedAt } = blob;
  await store.createUpload({ id, repository, owner: 'tester', startedAt });
  assert.equal(await store.addBlob(blob), 'named');
}

/** Cuts bytes into chunks as a network would. */
export async function* chunks(bytes: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

/** Uploads bytes whole and returns the key. */
export async function upload(blobs: BlobStore, bytes: Uint8Array): Promise<string> {
  const id = randomUUID();
  await blobs.begin(id);
  await blobs.append(id, chunks(bytes), { offset: 0 });
  return (await blobs.finish(id, digestOfBytes(bytes))).key;
}
