import type { Socket, TcpNetConnectOpts } from 'node:net';
import { Arrivals } from './arrivals.ts';

const MOST_HEAD = 16 * 1024;
/** Bytes of a request's body that go to the kernel in one call. */
const BATCH = 256 * 1024;
/** A longer answer to a body is not waited for, bytes. */
const MOST_REST = 64 * 1024;
/** A connection that nobody used for so long is closed before the bucket does it, milliseconds. */
const IDLE = 4_000;

export interface WirePlace {
  readonly tls: boolean;
  readonly hostname: string;
  readonly port: number;
  readonly ca?: Buffer | undefined;
}

export interface Head {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** The body of a request. */
export interface Outgoing {
  bytes(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** Called whenever some of it has moved. */
  moved(): void;
}

export interface WireEvents {
  /** An answer was taken whole: the next may be asked for. */
  idle(wire: Wire): void;
  /** It is of no use any more. */
  gone(wire: Wire): void;
}

/** What is asked of a connection at the moment. */
interface Exchange {
  head: Head | undefined;
  /** Bytes of the body that have not been lent yet. */
  left: number;
  /** Nothing of the request is left to be written. */
  sent: boolean;
  readonly answered: (error?: Error) => void;
}

/**
 * One connection that fetches bodies of known length, one after the other. Node's own client takes every 64 KiB through a
 * parser that copies them; here the kernel writes into two buffers that stay, and what is read is lent on as it is.
 */
export class Wire {
  readonly #socket: Socket;
  readonly #events: WireEvents;
  readonly #arrivals = new Arrivals();
  #exchange: Exchange | undefined;
  /** Wakes whoever waits for bytes. */
  #wake: (() => void) | undefined;
  #failure: Error | undefined;
  #reusable = true;
  #dropped = false;

  constructor(place: WirePlace, events: WireEvents) {
    this.#events = events;
    this.#socket = place.tls ? this.#connectTls(place) : this.#connectPlain(place);
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(cut()));
    this.#socket.on('timeout', () => {
      if (this.#exchange === undefined) this.destroy();
    });
  }

  get destroyed(): boolean {
    return this.#socket.destroyed || this.#failure !== undefined;
  }

  /**
   * Sends a request, and resolves with the head of the answer, which may come before all of the body was sent. Rejects where
   * the connection or the body fails.
   */
  async ask(request: string, signal: AbortSignal, body?: Outgoing): Promise<Head> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const exchange: Exchange = {
      head: undefined,
      left: 0,
      sent: body === undefined,
      answered: (error) => (error === undefined ? resolve() : reject(error)),
    };
    const abort = () => this.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort);
    this.#exchange = exchange;
    this.#socket.setTimeout(0);
    if (this.#failure !== undefined) exchange.answered(this.#failure);
    else if (body === undefined) this.#socket.write(request, 'latin1');
    else void this.#send(request, body, exchange);
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
    if (exchange.head === undefined) throw unusual('no head');
    return exchange.head;
  }

  /** The body in pieces, each of which is valid until the next is asked for. Ends early only by throwing. */
  body(): Body {
    const exchange = this.#exchange;
    return new Body(() => (exchange === undefined || exchange !== this.#exchange ? none : this.#next(exchange)));
  }

  /** Nobody wants the rest of a body: where there is any, the connection is of no use any more. */
  drop(body: Body, error?: Error): void {
    if (!body.ended) this.destroy(error);
  }

  /** Takes what is left of an answer that nobody reads, so that the connection may be used again. Rejects where it does not come. */
  async rest(signal: AbortSignal): Promise<void> {
    if ((this.#exchange?.left ?? 0) > MOST_REST) return this.destroy();
    const abort = () => this.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort);
    try {
      for await (const _ of this.body());
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #next(exchange: Exchange): Promise<IteratorResult<Buffer, undefined>> {
    if (exchange.left === 0) {
      this.#rest();
      return none;
    }
    if (this.#dropped) return Promise.reject(this.#failure ?? cut());
    const value = this.#arrivals.lend(exchange.left);
    if (this.#arrivals.open) this.#socket.resume();
    if (value !== undefined) {
      exchange.left -= value.length;
      return Promise.resolve({ value, done: false });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise.then(() => this.#next(exchange));
  }

  /** Hands a body to the kernel as it takes it; stops where the answer is there already. Never rejects. */
  async #send(request: string, body: Outgoing, exchange: Exchange): Promise<void> {
    const socket = this.#socket;
    try {
      socket.cork();
      socket.write(request, 'latin1');
      for await (const chunk of body.bytes()) {
        if (exchange.head !== undefined || this.#failure !== undefined) throw cut();
        socket.write(chunk);
        if (socket.writableLength < BATCH) continue;
        socket.uncork();
        await this.#drained();
        body.moved();
        socket.cork();
      }
      socket.uncork();
      exchange.sent = true;
    } catch (error) {
      // An answer that came early is an answer; nothing else can follow it here.
      this.#reusable = false;
      if (exchange.head === undefined) this.destroy(error as Error);
    }
  }

  /** Resolves when the kernel has taken everything, or never will. */
  #drained(): Promise<void> | undefined {
    const socket = this.#socket;
    if (!socket.writableNeedDrain || socket.destroyed) return undefined;
    return new Promise((resolve) => {
      const done = () => {
        socket.off('drain', done).off('close', done);
        resolve();
      };
      socket.once('drain', done).once('close', done);
    });
  }

  /** What arrived and was not taken is dropped. */
  destroy(error?: Error): void {
    this.#dropped = true;
    this.#fail(error ?? cut());
  }

  /** Nothing more is to come: the connection may be used again. */
  #rest(): void {
    // Of a body that was answered early, the rest would be taken for the next one's beginning, or that for the rest.
    if (this.#exchange?.sent === false) this.#reusable = false;
    this.#exchange = undefined;
    this.#arrivals.takeBack();
    // More than was announced belongs to nobody.
    if (!this.#reusable || !this.#arrivals.empty) this.destroy();
    if (this.destroyed) return;
    this.#socket.setTimeout(IDLE);
    this.#socket.resume();
    this.#events.idle(this);
  }

  /** False where reading is to stop. */
  #arrived(): boolean {
    if (this.#failure !== undefined) return false;
    if (this.#exchange === undefined) {
      this.destroy(unusual('bytes that nobody asked for'));
      return false;
    }
    if (this.#exchange.head !== undefined || this.#takeHead(this.#exchange)) {
      this.#wake?.();
      this.#wake = undefined;
    }
    return this.#arrivals.open;
  }

  #takeHead(exchange: Exchange): boolean {
    const bytes = this.#arrivals.unread;
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) {
      if (bytes.length > MOST_HEAD || this.#arrivals.turned) this.destroy(unusual('a head that does not end'));
      return false;
    }
    const head = headOf(bytes.toString('latin1', 0, end));
    this.#arrivals.skip(end + 4);
    const length = head?.headers.get('content-length');
    if (head === undefined || length === undefined || !/^\d{1,15}$/.test(length)) {
      this.destroy(unusual('an answer of unknown length'));
      return false;
    }
    exchange.left = Number(length);
    exchange.head = head;
    this.#reusable = head.headers.get('connection')?.toLowerCase() !== 'close';
    exchange.answered();
    return true;
  }

  /** The kernel writes into the buffers. */
  #connectPlain({ hostname, port }: WirePlace): Socket {
    const onread = {
      buffer: () => this.#arrivals.room(),
      callback: (bytes: number) => {
        this.#arrivals.filled(bytes);
        return this.#arrived();
      },
    };
    const options = { host: hostname, port, onread };
    return process.getBuiltinModule('node:net').connect(options as unknown as TcpNetConnectOpts);
  }

  /** Records of TLS arrive as they are, also for a while after reading was to stop. */
  #connectTls({ hostname, port, ca }: WirePlace): Socket {
    const named = process.getBuiltinModule('node:net').isIP(hostname) === 0 ? { servername: hostname } : {};
    const socket = process.getBuiltinModule('node:tls').connect({ host: hostname, port, ...named, ...(ca && { ca }) });
    socket.on('data', (chunk: Buffer) => {
      this.#arrivals.add(chunk);
      if (!this.#arrived()) socket.pause();
    });
    return socket;
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#events.gone(this);
    this.#socket.destroy();
    this.#exchange?.answered(error);
    this.#wake?.();
    this.#wake = undefined;
  }
}

/** Bytes of an answer. Not an async generator: those take three promises where this takes one. */
class Body implements AsyncIterableIterator<Buffer, undefined> {
  readonly #take: () => Promise<IteratorResult<Buffer, undefined>>;
  ended = false;

  constructor(take: () => Promise<IteratorResult<Buffer, undefined>>) {
    this.#take = take;
  }

  async next(): Promise<IteratorResult<Buffer, undefined>> {
    const result = await this.#take();
    if (result.done) this.ended = true;
    return result;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

const none: Promise<IteratorResult<Buffer, undefined>> = Promise.resolve({ value: undefined, done: true });

/** Undefined where it is not the head of a plain HTTP/1.1 answer. */
function headOf(text: string): Head | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers.has('transfer-encoding') ? undefined : { status: Number(status), headers };
}

function cut(): Error {
  return Object.assign(new Error('the connection to the bucket was cut'), { code: 'ECONNRESET' });
}

/** What the SDK can make more of. */
function unusual(what: string): Error {
  return Object.assign(new Error(`the bucket sent ${what}`), { code: UNUSUAL });
}

export const UNUSUAL = 'NE_UNUSUAL_ANSWER';
