import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ask } from './peers/answers.ts';
import type { Server } from './peers/server.ts';

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const configType = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';

export interface Piece {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** One image, the same on every server: its layers have the sizes that are measured. */
export interface Content {
  readonly repository: string;
  readonly tag: string;
  readonly config: Piece;
  readonly layers: Readonly<Record<LayerSize, Piece>>;
  readonly manifest: Piece;
}

export type LayerSize = '64 KB' | '3 MB' | '20 MB' | '200 MB';

const sizes: Record<LayerSize, number> = { '64 KB': 64_000, '3 MB': 3_000_000, '20 MB': 20_000_000, '200 MB': 200e6 };

export function makeContent(names: readonly LayerSize[] = ['64 KB', '3 MB', '20 MB', '200 MB']): Content {
  const made = names.map((name) => [name, piece(randomBytes(sizes[name]))] as const);
  const config = piece(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers' } })));
  const describe = ({ digest, bytes }: Piece, mediaType: string) => ({ mediaType, digest, size: bytes.length });
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: describe(config, configType),
    layers: made.map(([, layer]) => describe(layer, layerType)),
  };
  return {
    repository: 'bench/app',
    tag: 'v1.0.0',
    config,
    layers: Object.fromEntries(made) as Record<LayerSize, Piece>,
    manifest: piece(Buffer.from(JSON.stringify(manifest))),
  };
}

export function blobPath({ repository }: Content, { digest }: Piece): string {
  return `/v2/${repository}/blobs/${digest}`;
}

export function manifestPath({ repository }: Content, reference: string): string {
  return `/v2/${repository}/manifests/${reference}`;
}

/** Pushes an image over HTTP, as a client would. */
export async function pushContent(server: Server, content: Content): Promise<void> {
  for (const blob of [content.config, ...Object.values(content.layers)]) await pushBlob(server, content, blob);
  const headers = { 'content-type': manifestType };
  const put = { method: 'PUT', headers, body: content.manifest.bytes };
  const { status, body } = await ask(server, manifestPath(content, content.tag), put);
  if (status !== 201) throw new Error(`${server.name} refused the manifest: ${status} ${body}`);
}

async function pushBlob(server: Server, { repository }: Content, { digest, bytes }: Piece): Promise<void> {
  const begun = await ask(server, `/v2/${repository}/blobs/uploads/`, { method: 'POST', body: Buffer.alloc(0) });
  const location = new URL(String(begun.headers.location), `http://${server.host}`);
  location.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  const path = `${location.pathname}${location.search}`;
  const { status, body } = await ask(server, path, { method: 'PUT', headers, body: bytes });
  if (status !== 201) throw new Error(`${server.name} refused a blob of ${bytes.length} bytes: ${status} ${body}`);
}

/** Lays the blobs out as files under the paths of the API, for nginx. */
export async function layOut(folder: string, content: Content): Promise<void> {
  const blobs = join(folder, 'v2', content.repository, 'blobs');
  await mkdir(blobs, { recursive: true });
  for (const { digest, bytes } of Object.values(content.layers)) await writeFile(join(blobs, digest), bytes);
}

/** Proves that a server gives these bytes under this path: nobody shall be fast by being wrong. */
export async function verify(server: Server, path: string, { digest, bytes }: Piece): Promise<void> {
  const { status, body } = await ask(server, path, { headers: { accept: manifestType } });
  const sum = piece(body).digest;
  if (status !== 200 || body.length !== bytes.length || sum !== digest) {
    throw new Error(`${server.name} answers GET ${path} with ${status}, ${body.length} bytes, ${sum}`);
  }
}

/** Proves that HEAD tells the status and the size. */
export async function verifyHead(server: Server, path: string, { bytes }: Piece): Promise<void> {
  const { status, headers } = await ask(server, path, { method: 'HEAD', headers: { accept: manifestType } });
  if (status !== 200 || Number(headers['content-length']) !== bytes.length) {
    throw new Error(`${server.name} answers HEAD ${path} with ${status}, length ${headers['content-length']}`);
  }
}

function piece(bytes: Buffer): Piece {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes };
}
