/** Stands between a client and a registry and breaks what it is told to, request by request. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type ClientRequest, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './port.ts';

/** What goes wrong with one request. Bytes count from the start of a body. */
export interface Fault {
  /** The request reaches the registry so many milliseconds later. */
  readonly latencyMs?: number;
  /** The connection is cut after so many bytes of the answer's body. */
  readonly cutAnswerAfter?: number;
  /** The connection is cut after so many bytes of the request's body reached the registry. */
  readonly cutRequestAfter?: number;
  /** One byte of the answer is another. */
  readonly corruptByteAt?: number;
  /** The answer says that it has so many bytes, has them, and no more. */
  readonly truncateAnswerTo?: number;
  /** The answer's body comes at so many bytes a second. */
  readonly bytesPerSecond?: number;
  /** The registry is not asked; this is the answer. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export type FaultPlan = (request: IncomingMessage) => Fault | undefined;

export interface FaultProxy {
  /** `127.0.0.1:PORT`, the same for all its life. */
  readonly host: string;
  /** `METHOD path [range]` of every request so far. */
  readonly requests: readonly string[];
  /** What goes wrong from now on. */
  plan: FaultPlan;
  /** Cuts every connection, and refuses new ones until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

/** @param upstream `host:port` of the registry, which speaks plain HTTP */
export async function startFaultProxy(upstream: string, plan: FaultPlan = () => undefined): Promise<FaultProxy> {
  const proxy = new BadLine(upstream, plan);
  await proxy.up();
  return proxy;
}

/** A fault for the first `times` requests that match. */
export function first(times: number, matches: (request: IncomingMessage) => boolean, fault: Fault): FaultPlan {
  let left = times;
  return (incoming) => (matches(incoming) && left-- > 0 ? fault : undefined);
}

class BadLine implements FaultProxy {
  readonly requests: string[] = [];
  plan: FaultPlan;
  readonly #upstream: string;
  readonly #server = createServer((incoming, outgoing) => this.#forward(incoming, outgoing));
  #port = 0;

  constructor(upstream: string, plan: FaultPlan) {
    this.#upstream = upstream;
    this.plan = plan;
    // What is cut is cut because a plan says so.
    this.#server.keepAliveTimeout = 0;
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async up(): Promise<void> {
    if (this.#server.listening) return;
    // A port that nobody is given while the line is down.
    if (this.#port === 0) this.#port = await freePort();
    const listening = once(this.#server, 'listening');
    this.#server.listen(this.#port, '127.0.0.1');
    await listening;
  }

  async down(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async close(): Promise<void> {
    await this.down();
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const range = incoming.headers.range ?? incoming.headers['content-range'];
    this.requests.push(`${incoming.method} ${incoming.url}${range === undefined ? '' : ` ${range}`}`);
    incoming.on('error', () => {});
    outgoing.on('error', () => {});
    const fault = this.plan(incoming) ?? {};
    const act = () => {
      if (fault.status === undefined) passOn(this.#upstream, { incoming, outgoing, fault });
      else refuse(incoming, outgoing, fault);
    };
    if (fault.latencyMs === undefined) act();
    else setTimeout(act, fault.latencyMs);
  }
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly fault: Fault;
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, { status, headers, body = '' }: Fault): void {
  incoming.resume();
  outgoing.writeHead(status ?? 500, { 'content-length': String(Buffer.byteLength(body)), ...headers }).end(body);
}

function passOn(upstream: string, { incoming, outgoing, fault }: Exchange): void {
  const [host, port] = upstream.split(':');
  // One connection each: one that was kept could be closed by the registry just as it is used again.
  const { method, url: path, headers } = incoming;
  const onward = request({ host, port, method, path, headers, agent: false });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  onward.on('response', (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, headersOf(answer, fault));
    answer.on('error', () => outgoing.destroy());
    sendAnswer(answer, outgoing, fault).catch(() => outgoing.destroy());
  });
  if (fault.cutRequestAfter === undefined) incoming.pipe(onward);
  else cutRequest(incoming, onward, fault.cutRequestAfter);
}

function headersOf(answer: IncomingMessage, { truncateAnswerTo }: Fault): NodeJS.Dict<string | string[]> {
  if (truncateAnswerTo === undefined) return answer.headers;
  return { ...answer.headers, 'content-length': String(truncateAnswerTo) };
}

/** Ends both sides so that the registry has what came before the cut. */
function cutRequest(incoming: IncomingMessage, onward: ClientRequest, after: number): void {
  let seen = 0;
  incoming.on('data', (chunk: Buffer) => {
    if (seen >= after) return;
    const part = chunk.subarray(0, after - seen);
    seen += chunk.length;
    if (seen < after) return void onward.write(part);
    onward.write(part, async () => {
      await untilRead(onward.socket);
      // What was read is stored.
      await delay(150);
      onward.destroy();
      incoming.socket.destroy();
    });
  });
}

/**
 * Waits until the other end of a connection within this machine has taken all that was sent out of the kernel's buffers, proc(5)
 * `net/tcp`: on a busy machine it may not have run since. Gives up after ten seconds.
 */
async function untilRead(socket: Socket | null): Promise<void> {
  const [ours, theirs] = [socket?.localPort, socket?.remotePort].map((port) =>
    (port ?? 0).toString(16).padStart(4, '0'),
  );
  const unread = new RegExp(`:(?:${ours} \\S+:${theirs} 01 (?!0{8}:)|${theirs} \\S+:${ours} 01 \\S{8}:(?!0{8} ))`, 'i');
  for (let tries = 0; tries < 200; tries++) {
    if (!unread.test(await readFile('/proc/net/tcp', 'utf8').catch(() => ''))) return;
    await delay(50);
  }
}

async function sendAnswer(answer: IncomingMessage, outgoing: ServerResponse, fault: Fault): Promise<void> {
  const { cutAnswerAfter, truncateAnswerTo, bytesPerSecond } = fault;
  const end = Math.min(cutAnswerAfter ?? Number.POSITIVE_INFINITY, truncateAnswerTo ?? Number.POSITIVE_INFINITY);
  let seen = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const part = damaged(chunk, seen, fault.corruptByteAt).subarray(0, end - seen);
    seen += chunk.length;
    if (seen < end) outgoing.write(part);
    else await new Promise((resolve) => outgoing.write(part, resolve));
    if (seen >= end) break;
    if (bytesPerSecond !== undefined) await delay((chunk.length / bytesPerSecond) * 1000);
  }
  if (cutAnswerAfter === undefined) {
    outgoing.end();
    return;
  }
  // What was written before the cut arrives.
  await untilRead(outgoing.socket);
  await delay(30);
  (outgoing.socket as Socket | null)?.destroy();
}

function damaged(chunk: Buffer, seen: number, corruptByteAt: number | undefined): Buffer {
  const at = corruptByteAt === undefined ? -1 : corruptByteAt - seen;
  if (at < 0 || at >= chunk.length) return chunk;
  const copy = Buffer.from(chunk);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}
