import { Transform, type Writable } from 'node:stream';
import { giveBack } from '../../../platform/give-back.ts';
import { gone, PATIENCE } from '../departure.ts';
import type { Held, SlowLane } from '../slow-lane.ts';

/** A client that has not taken a chunk after this time is gone, milliseconds. */
const STALLED = 120_000;

export interface OutletParts {
  readonly owner: string;
  readonly lane: SlowLane;
  /** Others wait for what this client's stream occupies. */
  readonly crowded: () => boolean;
}

interface Delivery {
  readonly park: () => void;
  /** Begins it; `done` is called when the client has taken the bytes. */
  readonly begin: (done: (error?: Error | null) => void) => void;
}

interface Waiting {
  readonly bytes: number;
  readonly park: () => void;
  resolve: () => void;
  reject: (error: Error) => void;
  /** `performance.now()`. */
  readonly since: number;
  held: Held | undefined;
}

/** The client's end: takes chunks with back-pressure, and knows when the client is slow. */
export class Outlet {
  readonly #sink: Writable;
  readonly #parts: OutletParts;
  /** A chunk that the client takes its time for, after `park`. */
  #draining: Promise<void> | undefined;
  /** What the client has not taken yet. */
  #waiting: Waiting | undefined;
  /** Of the whole outlet: one for each chunk would cost as much as writing it. */
  #timer: NodeJS.Timeout | undefined;

  constructor(sink: Writable, parts: OutletParts) {
    this.#sink = sink;
    this.#parts = parts;
  }

  /** Nothing more is written. */
  end(): void {
    clearTimeout(this.#timer);
    this.#sink.off('close', this.#onClose);
    this.#settle(gone());
  }

  get closed(): boolean {
    return this.#sink.destroyed;
  }

  /**
   * Writes a chunk, which is the outlet's from now on; undefined where the next may follow at once. `park` is called when the
   * client takes its time while others wait: whoever feeds it should stop, and go on after `ready`.
   */
  write(chunk: Buffer, park: () => void): Promise<void> | undefined {
    const { byteLength } = chunk;
    if (byteLength === 0 || this.#write(chunk, () => this.#free(chunk))) return undefined;
    return this.#drained(byteLength, park);
  }

  /** The same for a chunk that its owner uses again: it is the client's until the promise resolves, or for good with `park`. */
  writeLent(chunk: Buffer, park: () => void): Promise<void> | undefined {
    // A Transform says that it took a chunk before it has read all of it.
    if (this.#sink instanceof Transform) return this.write(Buffer.from(chunk), park);
    if (this.#sink.destroyed) throw gone();
    if (chunk.byteLength === 0) return undefined;
    return this.#delivered(chunk.byteLength, { park, begin: (done) => void this.#sink.write(chunk, done) });
  }

  /** Writes bytes that others use as well, and waits until the client has taken them. */
  async writeShared(bytes: Buffer): Promise<void> {
    if (bytes.byteLength > 0 && !this.#write(bytes)) await this.#drained(bytes.byteLength, () => undefined);
    await this.#draining;
  }

  #write(chunk: Buffer, done?: () => void): boolean {
    if (this.#sink.destroyed) throw gone();
    return this.#sink.write(chunk, done);
  }

  /** At once, and not at the next collection: a gigabyte is sixteen thousand chunks. A Transform may still read from it. */
  #free(chunk: Buffer): void {
    if (!(this.#sink instanceof Transform)) giveBack(chunk);
  }

  /** Resolves when the client has taken everything that was written. */
  async ready(): Promise<void> {
    await this.#draining;
    if (this.#sink.destroyed) throw gone();
  }

  #drained(bytes: number, park: () => void): Promise<void> {
    return this.#delivered(bytes, { park, begin: (done) => void this.#sink.once('drain', done) });
  }

  /** Waits for what `begin` began, or for `park`, and looks after the client's patience and ours meanwhile. */
  #delivered(bytes: number, { park, begin }: Delivery): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting = { bytes, park, resolve, reject, since: performance.now(), held: undefined };
      if (this.#timer === undefined) {
        this.#timer = setTimeout(this.#impatient, PATIENCE);
        this.#sink.once('close', this.#onClose);
      } else this.#timer.refresh();
      begin((error) => this.#settle(error ?? undefined));
    });
  }

  #settle(error?: Error): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    if (waiting.held !== undefined) this.#parts.lane.leave(waiting.held);
    if (error === undefined) waiting.resolve();
    else waiting.reject(error);
  }

  /** Whoever waits goes on; `ready` waits for the client. */
  #park(waiting: Waiting): void {
    waiting.park();
    waiting.resolve();
    this.#draining = new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
    this.#draining.catch(() => undefined);
  }

  readonly #onClose = (): void => {
    this.#settle(gone());
  };

  readonly #impatient = (): void => {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const { owner, lane, crowded } = this.#parts;
    const { bytes, since } = waiting;
    const drop = () => {
      this.#settle(gone());
      this.#sink.destroy();
    };
    if (performance.now() - since > STALLED) drop();
    else if (waiting.held === undefined && crowded()) {
      const slow = { owner, bytes, since, drop };
      if (lane.admit(slow)) {
        waiting.held = slow;
        this.#park(waiting);
      }
    }
    this.#timer?.refresh();
  };
}
