/**
 * A registry that keeps nothing, as a process of its own: `node endless.ts LAYERS FIRST MEGABYTES`. What is read of it (`layers/app`,
 * tag `1`: so many layers, each of so many bytes and different from all others) is made while it is sent; what is written to it is
 * hashed, and forgotten. Says `PORT` when it listens.
 */
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { imageType } from '../../integration/registry/client.ts';

const [layers = 1, first = 0, megabytes = 1] = process.argv.slice(2).map(Number);
const chunk = Buffer.alloc(1024 * 1024, 'no two megabytes of a layer need to differ ');
const size = megabytes * chunk.length;
const config = Buffer.from('{}');

/** The last megabyte tells one layer from another, so that all of them are hashed in the time of one. */
function lastOf(layer: number): Buffer {
  const last = Buffer.from(chunk);
  last.writeUInt32BE(layer, last.length - 4);
  return last;
}

const begun = createHash('sha256');
for (let at = 1; at < megabytes; at++) begun.update(chunk);
const numbers = Array.from({ length: layers }, (_, index) => first + index);
const digestOf = (hash: Hash) => `sha256:${hash.digest('hex')}`;
const byDigest = new Map(numbers.map((layer) => [digestOf(begun.copy().update(lastOf(layer))), layer]));
const ofConfig = digestOf(createHash('sha256').update(config));
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: imageType,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: ofConfig, size: config.length },
    layers: [...byDigest.keys()].map((digest) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest,
      size,
    })),
  }),
);
const ofManifest = digestOf(createHash('sha256').update(manifest));
/** What was written: blobs by their digest, manifests by reference. */
const blobs = new Set<string>();
const manifests = new Map<string, { digest: string; bytes: Buffer }>();
const sessions = new Map<string, { hash: Hash; offset: number }>();

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    if (!response.headersSent) response.writeHead(500);
    response.end(String(error));
  });
});
await once(server.listen(0, '127.0.0.1'), 'listening');
console.log((server.address() as AddressInfo).port);

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://endless');
  if (pathname === '/v2/') return say(response, 200);
  const [, kind, reference = ''] = /\/(blobs|manifests|tags|referrers)\/(.*)$/.exec(pathname) ?? [];
  if (kind === 'tags') return say(response, 200, {}, JSON.stringify({ name: 'layers/app', tags: tags() }));
  if (kind === 'manifests')
    return await onManifest(request, response, { reference, written: !/^\/v2\/layers\/app\//.test(pathname) });
  if (kind === 'blobs' && reference.startsWith('uploads/')) return await onUpload(request, response, searchParams);
  if (kind === 'blobs') return await onBlob(request, response, reference);
  return say(response, 404);
}

function tags(): string[] {
  return layers > 0 ? ['1'] : [];
}

function say(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
  body?: Buffer | string,
): void {
  response.writeHead(status, { ...headers, ...(body === undefined && { 'content-length': '0' }) }).end(body);
}

async function onManifest(
  request: IncomingMessage,
  response: ServerResponse,
  { reference, written }: { reference: string; written: boolean },
): Promise<void> {
  if (request.method === 'PUT') {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const bytes = Buffer.concat(parts);
    const digest = digestOf(createHash('sha256').update(bytes));
    for (const name of [reference, digest]) manifests.set(name, { digest, bytes });
    return say(response, 201, { 'docker-content-digest': digest });
  }
  const made =
    layers > 0 && ['1', ofManifest].includes(reference) ? { digest: ofManifest, bytes: manifest } : undefined;
  const found = written ? manifests.get(reference) : made;
  if (found === undefined) return say(response, 404);
  const headers = {
    'content-type': imageType,
    'docker-content-digest': found.digest,
    'content-length': String(found.bytes.length),
  };
  response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : found.bytes);
}

async function onBlob(request: IncomingMessage, response: ServerResponse, digest: string): Promise<void> {
  const layer = byDigest.get(digest);
  if (layer === undefined && digest !== ofConfig) return say(response, blobs.has(digest) ? 200 : 404);
  const length = layer === undefined ? config.length : size;
  const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const headers = {
    'content-length': String(length - from),
    'docker-content-digest': digest,
    ...(from > 0 && { 'content-range': `bytes ${from}-${length - 1}/${length}` }),
  };
  response.writeHead(from > 0 ? 206 : 200, headers);
  if (request.method === 'HEAD') response.end();
  else if (layer === undefined) response.end(config.subarray(from));
  else await send(response, layer, from);
}

async function send(response: ServerResponse, layer: number, from: number): Promise<void> {
  for (let at = from; at < size && !response.destroyed; ) {
    const whole = at >= size - chunk.length ? lastOf(layer) : chunk;
    const part = whole.subarray(at % chunk.length);
    at += part.length;
    if (!response.write(part)) await drained(response);
  }
  response.end();
}

/** Resolves when more may be written, or nobody reads any more. */
async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const over = () => {
      response.off('drain', over);
      response.off('close', over);
      resolve();
    };
    response.once('drain', over);
    response.once('close', over);
  });
}

async function onUpload(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://endless').pathname;
  if (request.method === 'POST') {
    const name = String(sessions.size);
    sessions.set(name, { hash: createHash('sha256'), offset: 0 });
    request.resume();
    return say(response, 202, { location: `${path}${name}`, range: '0-0' });
  }
  const session = sessions.get(path.split('/').at(-1) ?? '');
  if (session === undefined) return say(response, 404);
  for await (const part of request) {
    session.hash.update(part as Buffer);
    session.offset += (part as Buffer).length;
  }
  if (request.method !== 'PUT') return say(response, 202, { location: path, range: `0-${session.offset - 1}` });
  const digest = digestOf(session.hash);
  if (digest !== query.get('digest')) return say(response, 400);
  blobs.add(digest);
  return say(response, 201, { location: path, 'docker-content-digest': digest });
}
