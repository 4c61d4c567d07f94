/** Stands between a store and its bucket, and breaks what it is told to, request by request. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What goes wrong with one request. */
export type BucketFault =
  /** The bucket is not asked; the answer is S3's, with this code. */
  | {
      readonly status: number;
      readonly code: string;
      readonly message?: string;
      readonly headers?: Record<string, string>;
    }
  /** Nothing is ever answered. */
  | 'hang'
  /** The connection is cut before anything is answered; the bucket was not asked. */
  | 'cut'
  /** The bucket does it, and the connection is cut before its answer arrives. */
  | 'lose-answer'
  /** The connection is cut after so many bytes of the answer's body. */
  | { readonly cutAnswerAfter: number }
  /** The answer's body stops after so many bytes, and the connection stays. */
  | { readonly stallAnswerAfter: number }
  /** The connection is cut after so many bytes of the request's body. */
  | { readonly cutRequestAfter: number }
  /** One byte of the request's body arrives as another. */
  | { readonly corruptRequestByteAt: number }
  /** It takes this long before the bucket is asked, milliseconds. */
  | { readonly delayMillis: number };

/** A request, as S3 names it: `PutObject`, `UploadPart`, `GetObject`, … */
export interface BucketRequest {
  readonly operation: string;
  readonly key: string;
  readonly request: IncomingMessage;
}

export interface BucketFaults {
  readonly endpoint: string;
  /** Operations that arrived so far, in order. */
  readonly operations: readonly string[];
  /** What breaks from now on. */
  break(plan: (request: BucketRequest) => BucketFault | undefined): void;
  /** Nothing breaks any more, and what hangs is cut. */
  heal(): void;
  /** Forgets the operations so far. */
  forget(): void;
  stop(): Promise<void>;
}

/** @param upstream `http://127.0.0.1:PORT` of the bucket */
export async function startBucketFaults(upstream: string): Promise<BucketFaults> {
  const { hostname, port } = new URL(upstream);
  const operations: string[] = [];
  let plan: (request: BucketRequest) => BucketFault | undefined = () => undefined;
  const hanging = new Set<ServerResponse>();
  const server = createServer((incoming, outgoing) => {
    const asked = describe(incoming);
    operations.push(asked.operation);
    incoming.on('error', () => undefined);
    outgoing.on('error', () => undefined);
    const fault = plan(asked);
    if (fault === 'hang') {
      hanging.add(outgoing);
      incoming.resume();
      return;
    }
    if (fault === 'cut') return void incoming.socket.destroy();
    if (typeof fault === 'object' && 'status' in fault) return void refuse(incoming, outgoing, fault);
    const wait = typeof fault === 'object' && 'delayMillis' in fault ? fault.delayMillis : 0;
    setTimeout(() => forward({ hostname, port }, incoming, outgoing, fault), wait);
  });
  // Nor does this end cut a connection that a store keeps, unless it is told to.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const heal = () => {
    plan = () => undefined;
    for (const outgoing of hanging) outgoing.destroy();
    hanging.clear();
  };
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    operations,
    break(next) {
      plan = next;
    },
    heal,
    forget() {
      operations.length = 0;
    },
    async stop() {
      heal();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function describe(incoming: IncomingMessage): BucketRequest {
  const url = new URL(incoming.url ?? '/', 'http://bucket');
  const [, , ...rest] = url.pathname.split('/');
  const key = decodeURIComponent(rest.join('/'));
  return { operation: operationOf(incoming.method ?? 'GET', key, url.searchParams), key, request: incoming };
}

function operationOf(method: string, key: string, query: URLSearchParams): string {
  if (key === '') {
    if (method === 'POST') return 'DeleteObjects';
    return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2';
  }
  const multipart: Record<string, string> = {
    PUT: 'UploadPart',
    POST: 'CompleteMultipartUpload',
    DELETE: 'AbortMultipartUpload',
    GET: 'ListParts',
  };
  if (query.has('uploadId')) return multipart[method] ?? method;
  if (query.has('uploads')) return 'CreateMultipartUpload';
  return { PUT: 'PutObject', GET: 'GetObject', HEAD: 'HeadObject', DELETE: 'DeleteObject' }[method] ?? method;
}

function refuse(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { status, code, message = code, headers }: Extract<BucketFault, { status: number }>,
): void {
  incoming.resume();
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  const answer = () => outgoing.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(body);
  if (incoming.complete) answer();
  else incoming.once('end', answer);
}

function forward(
  { hostname, port }: { hostname: string; port: string },
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  fault: BucketFault | undefined,
): void {
  const { method, url, headers } = incoming;
  // One connection each: one that was kept could be closed by the bucket just as it is used again.
  const onward = request({ hostname, port, method, path: url, headers, agent: false });
  onward.on('error', () => outgoing.destroy());
  onward.on('response', (answer) => {
    if (fault === 'lose-answer') {
      answer.resume();
      answer.once('end', () => incoming.socket.destroy());
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on('error', () => outgoing.destroy());
    sendAnswer(answer, outgoing, fault);
  });
  sendRequest(incoming, onward, fault);
}

function sendRequest(
  incoming: IncomingMessage,
  onward: ReturnType<typeof request>,
  fault: BucketFault | undefined,
): void {
  let seen = 0;
  incoming.on('data', (chunk: Buffer) => {
    const corruptAt =
      typeof fault === 'object' && 'corruptRequestByteAt' in fault ? fault.corruptRequestByteAt - seen : -1;
    if (corruptAt >= 0 && corruptAt < chunk.length) chunk[corruptAt] = (chunk[corruptAt] ?? 0) ^ 0xff;
    seen += chunk.length;
    if (typeof fault === 'object' && 'cutRequestAfter' in fault && seen > fault.cutRequestAfter) {
      onward.destroy();
      incoming.socket.destroy();
      return;
    }
    onward.write(chunk);
  });
  incoming.on('end', () => onward.end());
}

function sendAnswer(answer: IncomingMessage, outgoing: ServerResponse, fault: BucketFault | undefined): void {
  const cutAfter =
    typeof fault === 'object' && 'cutAnswerAfter' in fault ? fault.cutAnswerAfter : Number.MAX_SAFE_INTEGER;
  const stallAfter =
    typeof fault === 'object' && 'stallAnswerAfter' in fault ? fault.stallAnswerAfter : Number.MAX_SAFE_INTEGER;
  const last = Math.min(cutAfter, stallAfter);
  outgoing.flushHeaders();
  let seen = 0;
  // What was written before must arrive before the cut.
  const cut = () => {
    if (last === cutAfter) setTimeout(() => outgoing.destroy(), 30);
  };
  answer.on('data', (chunk: Buffer) => {
    if (seen >= last && seen > 0) return;
    const room = last - seen;
    seen += chunk.length;
    const whenWritten = seen >= last ? cut : undefined;
    if (room > 0) outgoing.write(chunk.subarray(0, room), whenWritten);
    else whenWritten?.();
  });
  answer.on('end', () => {
    if (seen < last) outgoing.end();
  });
}
