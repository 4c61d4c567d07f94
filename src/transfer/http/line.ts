import { connect as connectPlain, type LookupFunction, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** Where a line leads, and how it is secured. */
export interface LineOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined for a line without TLS. */
  readonly tls: ConnectionOptions | undefined;
  readonly lookup?: LookupFunction;
  readonly connectMs: number;
  /** Longest silence, in milliseconds, before the line counts as cut. */
  readonly idleMs: number;
}

/** What one read takes at most. Node's own streams take 64 KiB, and allocate them anew each time. */
const bufferBytes = 262_144;
/** One is being used up, one is filled, and one is for what comes next. */
const buffers = 3;

/** A connection that is read into buffers of its own, over and over: no more memory, however much passes through. */
export class Line {
  readonly #socket: Socket;
  readonly #free: Buffer[] = Array.from({ length: buffers }, () => Buffer.allocUnsafeSlow(bufferBytes));
  readonly #filled: { readonly buffer: Buffer; readonly bytes: Buffer }[] = [];
  readonly #opened: Promise<void>;
  #lent: Buffer | undefined;
  #paused = false;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(options: LineOptions) {
    const onread = {
      buffer: () => this.#free.pop() as Buffer,
      callback: (count: number, buffer: Uint8Array) => this.#take(count, buffer as Buffer),
    };
    const { host, port, lookup, connectMs, idleMs } = options;
    const place = { host, port, onread, ...(lookup === undefined ? {} : { lookup }) };
    this.#socket = options.tls === undefined ? connectPlain(place) : connectTls({ ...options.tls, ...place });
    this.#socket.setNoDelay(true);
    this.#opened = this.#open(options.tls === undefined ? 'connect' : 'secureConnect', connectMs);
    this.#opened.catch(() => {});
    this.#socket.setTimeout(idleMs, () => this.destroy(new Error(`silent for ${idleMs / 1000} s`)));
    this.#socket.on('end', () => this.#end());
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#end());
  }

  /** False once nothing can be asked any more. */
  get open(): boolean {
    return !this.#ended && this.#failure === undefined && !this.#socket.destroyed;
  }

  /** Whether nothing came that was not read. */
  get quiet(): boolean {
    return this.#filled.length === 0;
  }

  /** Sends text. @throws what the connection failed with */
  async send(text: string): Promise<void> {
    await this.#opened;
    this.#socket.write(text, 'latin1');
  }

  /** The next bytes, which are good until the next call; undefined at the end. @throws what the connection failed with */
  async read(): Promise<Buffer | undefined> {
    this.#giveBack();
    for (;;) {
      const next = this.#filled.shift();
      if (next !== undefined) {
        this.#lent = next.buffer;
        return next.bytes;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Takes back what was read last, when nothing more is expected. */
  rest(): void {
    this.#giveBack();
  }

  destroy(error?: Error): void {
    if (error !== undefined) this.#fail(error);
    this.#socket.destroy();
  }

  onClose(told: () => void): void {
    this.#socket.once('close', told);
  }

  /** An idle line keeps no program running. */
  ref(needed: boolean): void {
    if (needed) this.#socket.ref();
    else this.#socket.unref();
  }

  async #open(event: string, connectMs: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const late = () => this.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
      const timer = setTimeout(late, connectMs);
      this.#socket.once(event, resolve);
      this.#socket.once('close', () => reject(this.#failure ?? new Error('closed')));
      this.#socket.once('error', reject);
      this.#socket.once(event, () => clearTimeout(timer));
      this.#socket.once('close', () => clearTimeout(timer));
    });
  }

  /** @returns false to pause: the next read needs a buffer, and the last one is for it */
  #take(count: number, buffer: Buffer): boolean {
    this.#filled.push({ buffer, bytes: buffer.subarray(0, count) });
    this.#paused = this.#free.length <= 1;
    this.#awake();
    return !this.#paused;
  }

  #giveBack(): void {
    if (this.#lent === undefined) return;
    this.#free.push(this.#lent);
    this.#lent = undefined;
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  #end(): void {
    this.#ended = true;
    this.#awake();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#awake();
  }

  #awake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
