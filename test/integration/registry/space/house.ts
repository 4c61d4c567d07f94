/** The real stores, driven step by step: every step of the worker is one of its own, so that anything may come in between. */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { type Digest, digestOf } from '../../../../src/domain/oci/digest.ts';
import type { Removal } from '../../../../src/registry/metadata/reclaiming.ts';
import { openSqlite } from '../../../../src/registry/metadata/sqlite/open.ts';
import type { BlobRow, MetadataStore } from '../../../../src/registry/metadata/store.ts';
import { FilesystemStore } from '../../../../src/registry/storage/filesystem.ts';
import type { BlobReader, BlobStore, StoredKey } from '../../../../src/registry/storage/store.ts';
import { GRACE, type Repository } from './model.ts';

const LIMIT = 1000;

export const bytesOf = (blob: number) => Buffer.from(`the bytes of blob ${blob}`.repeat(blob + 1));
export const blobDigest = (blob: number) => sha256(bytesOf(blob));
export const manifestDigest = (image: number) => sha256(manifestOf(image));
const manifestOf = (image: number) => Buffer.from(JSON.stringify({ image, layer: blobDigest(image) }));

function sha256(bytes: Uint8Array): Digest {
  return digestOf('sha256', createHash('sha256').update(bytes).digest('hex'));
}

interface Upload {
  readonly id: string;
  readonly repository: Repository;
  readonly blob: number;
  key?: string;
}

export class House {
  metadata!: MetadataStore;
  blobs!: BlobStore;
  readonly #directory: string;
  #uploads: Upload[] = [];
  #pulls: { repository: Repository; row: BlobRow }[] = [];
  #listing: StoredKey[] = [];
  #verdict: StoredKey[] = [];
  #due: Removal[] = [];
  #gone: string[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  async open(): Promise<void> {
    const directory = this.#directory;
    this.blobs = await FilesystemStore.open({ directory, reserveBytes: 0 });
    this.metadata = await openSqlite({ directory, mode: 'offline', onDeath: assert.fail, reserveBytes: 0 });
  }

  /** As after a crash: whatever was only in memory is forgotten. */
  async restart(): Promise<void> {
    await this.close();
    this.#uploads = [];
    this.#pulls = [];
    this.#listing = [];
    this.#verdict = [];
    this.#due = [];
    this.#gone = [];
    await this.open();
  }

  async close(): Promise<void> {
    await this.blobs.close();
    await this.metadata.close();
  }

  // ---- clients

  async begin(repository: Repository, blob: number, now: number): Promise<void> {
    const id = randomUUID();
    await this.blobs.begin(id);
    await this.metadata.createUpload({ id, repository, owner: 'tester', startedAt: now });
    this.#uploads.push({ id, repository, blob });
  }

  /** The oldest upload that has no bytes yet gets them. */
  async finish(): Promise<void> {
    const upload = this.#uploads.find(({ key }) => key === undefined);
    if (upload === undefined) return;
    const body = (async function* () {
      yield bytesOf(upload.blob);
    })();
    await this.blobs.append(upload.id, body, { offset: 0 });
    upload.key = (await this.blobs.finish(upload.id, blobDigest(upload.blob))).key;
  }

  /** The oldest upload that has its bytes becomes a blob. @returns undefined where there is none */
  async name(now: number): Promise<string | undefined> {
    const upload = this.nextToName();
    if (upload?.key === undefined) return undefined;
    this.#uploads = this.#uploads.filter((other) => other !== upload);
    const { repository, blob, key, id: uploadId } = upload;
    const size = bytesOf(blob).length;
    return this.metadata.addBlob({ repository, digest: blobDigest(blob), size, key, uploadId, now });
  }

  nextToName(): Upload | undefined {
    return this.#uploads.find(({ key }) => key !== undefined);
  }

  /** The sweep takes an upload for abandoned; whoever is about to name it finds out. False where there is none. */
  async abandon(): Promise<boolean> {
    const [row] = await this.metadata.staleUploads(Number.MAX_SAFE_INTEGER, 1);
    if (row === undefined) return false;
    await this.blobs.cancel(row.id);
    await this.metadata.deleteUpload(row.id);
    this.#uploads = this.#uploads.filter(({ id, key }) => id !== row.id || key !== undefined);
    return true;
  }

  async isAbandoned(id: string): Promise<boolean> {
    return (await this.metadata.upload(id)) === undefined;
  }

  put(repository: Repository, image: number, { tag, now }: { tag: string; now: number }) {
    const bytes = manifestOf(image);
    return this.metadata.putManifest({
      repository,
      digest: sha256(bytes),
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      bytes,
      edges: [{ kind: 'layer', digest: blobDigest(image), required: true }],
      tags: [tag],
      by: { name: 'tester', now },
    });
  }

  deleteManifest(repository: Repository, image: number, now: number): Promise<boolean> {
    return this.metadata.deleteManifest(repository, sha256(manifestOf(image)), { name: 'tester', now });
  }

  /** A pull has found the row and not yet opened the bytes. */
  async lookUp(repository: Repository, blob: number): Promise<void> {
    const row = await this.metadata.blob(repository, blobDigest(blob));
    if (row !== undefined) this.#pulls.push({ repository, row });
  }

  /** It opens them now: they are right, or the row has changed meanwhile. */
  async openPulled(): Promise<void> {
    const pull = this.#pulls.shift();
    if (pull === undefined) return;
    const { repository, row } = pull;
    const bytes = await this.read(row.key);
    if (bytes !== undefined) return assert.equal(sha256(bytes), row.digest, 'a pull got wrong bytes');
    const present = await this.metadata.blob(repository, row.digest);
    assert.notEqual(present?.key, row.key, `${row.key} is named and gone`);
  }

  // ---- the worker, step by step

  condemn(now: number): Promise<number> {
    return this.metadata.condemnBlobs({ before: now - GRACE, now, limit: LIMIT });
  }

  async drop(now: number): Promise<number> {
    const work = { condemnedBefore: now, before: now - GRACE, now, limit: LIMIT };
    return (await this.metadata.dropCondemned(work)).length;
  }

  async lookForDue(now: number): Promise<void> {
    this.#due = [...(await this.metadata.dueRemovals(now, LIMIT))];
  }

  /** False where there is nothing to unlink. */
  async unlink(): Promise<boolean> {
    const removal = this.#due.shift();
    if (removal === undefined) return false;
    await this.blobs.remove(removal.key);
    this.#gone.push(removal.key);
    return true;
  }

  async forget(): Promise<void> {
    await this.metadata.forgetRemovals(this.#gone.splice(0));
  }

  async list(): Promise<void> {
    this.#listing = await Array.fromAsync(this.blobs.list());
  }

  async judge(): Promise<void> {
    const found = await this.metadata.unaccounted(this.#listing);
    this.#verdict = this.#listing.filter(({ key }) => found.includes(key));
  }

  async removeOrphans(now: number): Promise<void> {
    await this.metadata.addRemovals(this.#verdict.map(({ key, size }) => ({ key, size, createdAt: 0, now })));
  }

  async allKeys(): Promise<string[]> {
    return (await Array.fromAsync(this.blobs.list())).map(({ key }) => key).sort();
  }

  /** Undefined where the key holds nothing. */
  async read(key: string): Promise<Buffer | undefined> {
    const reader = await this.blobs.open(key);
    return reader && bytesFrom(reader);
  }
}

async function bytesFrom(reader: BlobReader): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  try {
    await reader.send(sink, 0, reader.size - 1);
    return Buffer.concat(chunks);
  } finally {
    await reader.close();
  }
}
