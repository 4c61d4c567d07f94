import { createHash, randomBytes } from 'node:crypto';
import type { Server } from './server.ts';

/** Requests as a test writes them: raw, so that every header can be wrong on purpose. */
export interface Client {
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** Pushes bytes in one PUT and answers their digest. */
  pushBlob(repository: string, bytes: Uint8Array, algorithm?: 'sha256' | 'sha512'): Promise<string>;
  /** Pushes an image manifest with one fresh layer; answers digest and bytes. */
  pushImage(repository: string, tag: string, more?: object): Promise<{ digest: string; bytes: Buffer; layer: string }>;
}

export interface RequestOptions {
  headers?: Record<string, string>;
  body?: NonNullable<RequestInit['body']> | Uint8Array;
  /** No credentials, or others. */
  authorization?: string | null;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Buffer;
  /** The code of the first error in the body. */
  error: string | undefined;
  json(): unknown;
}

export const imageType = 'application/vnd.oci.image.manifest.v1+json';
export const indexType = 'application/vnd.oci.image.index.v1+json';

export function digestOf(bytes: Uint8Array, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

export function descriptor(bytes: Uint8Array, mediaType = 'application/octet-stream') {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

export function client(server: Pick<Server, 'url' | 'authorization'>): Client {
  const request: Client['request'] = async (method, path, options = {}) => {
    const headers: Record<string, string> = { ...options.headers };
    const authorization = options.authorization === undefined ? server.authorization : options.authorization;
    if (authorization !== null) headers.authorization = authorization;
    const init: RequestInit = { method, headers, redirect: 'manual' };
    if (options.body instanceof ReadableStream) init.duplex = 'half';
    if (options.body !== undefined) init.body = options.body as NonNullable<RequestInit['body']>;
    const response = await fetch(new URL(path, server.url), init);
    const body = Buffer.from(await response.arrayBuffer());
    return {
      status: response.status,
      headers: response.headers,
      body,
      error: errorCode(body),
      json: () => JSON.parse(body.toString()),
    };
  };
  const pushBlob: Client['pushBlob'] = async (repository, bytes, algorithm = 'sha256') => {
    const begun = await request('POST', `/v2/${repository}/blobs/uploads/`);
    const location = begun.headers.get('location') ?? '';
    const digest = digestOf(bytes, algorithm);
    const done = await request('PUT', `${location}?digest=${digest}`, { body: bytes });
    if (done.status !== 201) throw new Error(`push of ${digest}: ${done.status} ${done.body}`);
    return digest;
  };
  const pushImage: Client['pushImage'] = async (repository, tag, more = {}) => {
    const config = Buffer.from('{}');
    const layer = randomBytes(64);
    await pushBlob(repository, config);
    await pushBlob(repository, layer);
    const manifest = {
      schemaVersion: 2,
      mediaType: imageType,
      config: descriptor(config, 'application/vnd.oci.empty.v1+json'),
      layers: [descriptor(layer)],
      ...more,
    };
    const bytes = Buffer.from(JSON.stringify(manifest));
    const put = await request('PUT', `/v2/${repository}/manifests/${tag}`, {
      body: bytes,
      headers: { 'content-type': imageType },
    });
    if (put.status !== 201) throw new Error(`push of ${repository}:${tag}: ${put.status} ${put.body}`);
    return { digest: digestOf(bytes), bytes, layer: digestOf(layer) };
  };
  return { request, pushBlob, pushImage };
}

function errorCode(body: Buffer): string | undefined {
  try {
    const parsed = JSON.parse(body.toString()) as { errors?: { code?: string }[] };
    return parsed.errors?.[0]?.code;
  } catch {
    return undefined;
  }
}
