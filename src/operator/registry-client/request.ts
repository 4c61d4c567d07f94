/** One request to the admin API of a registry's pod, as the operator: by the pod's address, with a token signed for it. */
import { createPrivateKey } from 'node:crypto';
import { type ClientRequest, request as plainRequest, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { isIPv6 } from 'node:net';
import { SignJWT } from 'jose';
import { ports } from '../registry/paths.ts';

export interface AdminTarget {
  /** Address of the pod. */
  readonly address: string;
  /** PKCS#8 PEM of the key whose public half the pod holds. */
  readonly key: string;
  readonly audience: string;
  /**
   * Certificates to trust, PEM: the authority's bundle and the very certificate that is served. With them in hand the
   * name does not matter: the pod is asked by its address. Undefined: plain HTTP.
   */
  readonly trusted: string | undefined;
}

export interface AdminRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Below the pod's root, with its query: `/admin/v1/…`. */
  readonly path: string;
  /** Sent as JSON; a text is JSON already. */
  readonly body?: unknown;
  /** Milliseconds until the last byte of the answer; 5 s by default. */
  readonly timeoutMs?: number;
  /** The longest answer that is read; 64 KiB by default. */
  readonly maxBytes?: number;
}

export interface AdminAnswer {
  readonly status: number;
  /** The JSON of its body; undefined where that is none. */
  readonly body: unknown;
}

/** Sends a request to one pod. Throws an Error, without a secret in it, where there is no whole answer. */
export async function askAdmin(target: AdminTarget, asked: AdminRequest, signal: AbortSignal): Promise<AdminAnswer> {
  const body = textOf(asked.body);
  const options = {
    method: asked.method,
    ...inTime(signal, asked.timeoutMs),
    headers: {
      authorization: `Bearer ${await tokenFor(target)}`,
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    },
  };
  const { status, text } = await receive(open(target, asked.path, options), { body, maxBytes: asked.maxBytes });
  return { status, body: parsed(text) };
}

/** What a request may last, on a connection of its own. */
export function inTime(signal: AbortSignal, timeoutMs = 5000): { signal: AbortSignal; agent: false } {
  return { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), agent: false };
}

/** An address as URLs have it. */
export function bracketed(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

/** Sends what was opened and reads the whole answer. */
export function receive(
  request: ClientRequest,
  { body, maxBytes = 64 * 1024 }: { body?: string | undefined; maxBytes?: number | undefined } = {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) response.destroy(new Error(`the registry answered more than ${maxBytes} bytes`));
        else chunks.push(chunk);
      });
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    request.end(body);
  });
}

function open({ address, trusted }: AdminTarget, path: string, options: RequestOptions): ClientRequest {
  const at = `${bracketed(address)}:${ports.api}${path}`;
  if (trusted === undefined) return plainRequest(`http://${at}`, options);
  const trust = { ca: trusted, allowPartialTrustChain: true, checkServerIdentity: () => undefined };
  return tlsRequest(`https://${at}`, { ...options, ...trust });
}

function tokenFor({ key, audience }: AdminTarget): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer('ne-registry-operator')
    .setSubject('operator')
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('2m')
    .sign(createPrivateKey(key));
}

function textOf(body: unknown): string | undefined {
  return body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
