import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Refusal } from '../../domain/errors.ts';
import type { Caller, Identity } from '../auth/contract.ts';

/** One request on its way through: who asks, what for, and how to answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly caller: Caller;
  readonly identity: Identity;
}

/** Sends headers and a whole body (left out for HEAD, with the same headers). */
export function reply(
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  status: number,
  headers: OutgoingHttpHeaders,
  body?: Uint8Array | string,
): void {
  if (body === undefined && !('content-length' in headers)) headers['content-length'] = 0;
  response.writeHead(status, headers);
  if (request.method === 'HEAD' || body === undefined) response.end();
  else response.end(body);
}

export function replyJson(
  exchange: Pick<Exchange, 'request' | 'response'>,
  value: unknown,
  options: { type?: string; headers?: OutgoingHttpHeaders } = {},
): void {
  const body = Buffer.from(JSON.stringify(value));
  const headers = { 'content-type': options.type ?? 'application/json', 'content-length': body.length };
  reply(exchange, 200, { ...headers, ...options.headers }, body);
}

/** The chunks of a request's body. Who stops in the middle can still answer: the connection is not torn down with the loop. */
export function bodyOf(request: IncomingMessage): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) };
}

/** The longest rest of a refused body that is read and thrown away so that the client gets to see the answer. */
const longestDiscard = 4 * 1024 * 1024;
/** How long that may take, and how long a client that sends more is left to see the answer, milliseconds. */
const discardMillis = 30_000;
const lingerMillis = 2_000;

/**
 * Answers with an error body (distribution-spec v1.1 §"Error Codes"), or tears the connection where bytes already went. While the
 * client still sends, the answer is whole but not ended: Node closes a connection with its last answer, and what arrives at a closed
 * one has the client's system throw away an answer that nobody read yet.
 */
export function refuse({ request, response }: Pick<Exchange, 'request' | 'response'>, refusal: Refusal): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = Buffer.from(JSON.stringify(refusal.body()));
  const headers = { 'content-type': 'application/json', 'content-length': body.length, ...refusal.headers };
  if (sends(request)) {
    response.writeHead(refusal.status, headers);
    response.write(body);
    discardRest(request, () => response.end());
  } else reply({ request, response }, refusal.status, headers, body);
}

function sends({ complete, destroyed, headers }: IncomingMessage): boolean {
  return !complete && !destroyed && (headers['transfer-encoding'] ?? headers['content-length'] ?? '0') !== '0';
}

/** @param done called when the client has sent everything, or had its time */
function discardRest(request: IncomingMessage, done: () => void): void {
  const cut = () => {
    done();
    request.destroy();
  };
  let timer = setTimeout(cut, discardMillis);
  let discarded = 0;
  request.on('data', (chunk: Buffer) => {
    discarded += chunk.length;
    if (discarded <= longestDiscard || request.isPaused()) return;
    // No more is read, so the client gets stuck, and has some time to look whether there is an answer.
    request.pause();
    clearTimeout(timer);
    timer = setTimeout(cut, lingerMillis);
  });
  request.once('end', done);
  request.once('close', () => clearTimeout(timer));
  request.resume();
}
