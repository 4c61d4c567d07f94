import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, Socket } from 'node:net';

/** What goes wrong with one request. */
export type Fault =
  /** The connection is cut after so many bytes of the answer's body. */
  | { readonly cutAnswerAfter: number }
  /** The connection is cut after so many bytes of the request's body reached the registry. */
  | { readonly cutRequestAfter: number }
  /** One byte of the answer is another. */
  | { readonly corruptByteAt: number }
  /** The registry is not asked. */
  | { readonly status: number; readonly headers?: Record<string, string> }
  /** The answer's body comes at so many bytes a second. */
  | { readonly bytesPerSecond: number };

export interface FaultProxy {
  readonly host: string;
  /** `METHOD path [range]` of every request so far. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/** Stands between a client and a registry and breaks what `plan` says, request by request. */
export async function startFaultProxy(
  upstream: string,
  plan: (request: IncomingMessage) => Fault | undefined,
): Promise<FaultProxy> {
  const requests: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const range = incoming.headers.range ?? incoming.headers['content-range'];
    requests.push(`${incoming.method} ${incoming.url}${range === undefined ? '' : ` ${range}`}`);
    forward(upstream, incoming, outgoing, plan(incoming));
  });
  server.keepAliveTimeout = 1000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function forward(
  upstream: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  fault: Fault | undefined,
): void {
  incoming.on('error', () => {});
  outgoing.on('error', () => {});
  if (fault !== undefined && 'status' in fault) {
    incoming.resume();
    outgoing.writeHead(fault.status, { 'content-length': '0', ...fault.headers }).end();
    return;
  }
  const [host, port] = upstream.split(':');
  const onward = request({ host, port, method: incoming.method, path: incoming.url, headers: incoming.headers });
  onward.on('error', () => outgoing.destroy());
  onward.on('response', (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on('error', () => outgoing.destroy());
    sendAnswer(answer, outgoing, fault).catch(() => outgoing.destroy());
  });
  if (fault !== undefined && 'cutRequestAfter' in fault) cutRequest(incoming, onward, fault.cutRequestAfter);
  else incoming.pipe(onward);
}

/** Ends both sides so that the registry has what came before the cut. */
function cutRequest(incoming: IncomingMessage, onward: ReturnType<typeof request>, after: number): void {
  let seen = 0;
  incoming.on('data', (chunk: Buffer) => {
    if (seen >= after) return;
    onward.write(chunk.subarray(0, after - seen));
    seen += chunk.length;
    if (seen < after) return;
    setTimeout(() => {
      onward.destroy();
      incoming.socket.destroy();
    }, 150);
  });
}

async function sendAnswer(answer: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined): Promise<void> {
  let seen = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const bytes = damaged(chunk, seen, fault);
    const cut = fault !== undefined && 'cutAnswerAfter' in fault && seen + chunk.length >= fault.cutAnswerAfter;
    outgoing.write(
      cut && fault !== undefined && 'cutAnswerAfter' in fault ? bytes.subarray(0, fault.cutAnswerAfter - seen) : bytes,
    );
    seen += chunk.length;
    if (cut) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      (outgoing.socket ?? new Socket()).destroy();
      return;
    }
    if (fault !== undefined && 'bytesPerSecond' in fault) {
      await new Promise((resolve) => setTimeout(resolve, (chunk.length / fault.bytesPerSecond) * 1000));
    }
  }
  outgoing.end();
}

function damaged(chunk: Buffer, seen: number, fault: Fault | undefined): Buffer {
  if (fault === undefined || !('corruptByteAt' in fault)) return chunk;
  const at = fault.corruptByteAt - seen;
  if (at < 0 || at >= chunk.length) return chunk;
  const copy = Buffer.from(chunk);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}
