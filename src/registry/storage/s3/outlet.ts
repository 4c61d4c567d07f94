import type { Writable } from 'node:stream';
import { gone, PATIENCE } from '../filesystem/delivery.ts';
import type { Held, SlowLane } from '../filesystem/slow-lane.ts';

/** A client that has not taken a chunk after this time is gone, milliseconds. */
const STALLED = 120_000;

export interface OutletParts {
  readonly owner: string;
  readonly lane: SlowLane;
  /** Others wait for what this client's stream occupies. */
  readonly crowded: () => boolean;
}

/** The client's end: takes chunks with back-pressure, and knows when the client is slow. */
export class Outlet {
  readonly #sink: Writable;
  readonly #parts: OutletParts;
  #draining: Promise<void> | undefined;

  constructor(sink: Writable, parts: OutletParts) {
    this.#sink = sink;
    this.#parts = parts;
  }

  get closed(): boolean {
    return this.#sink.destroyed;
  }

  /**
   * Writes a chunk; undefined where the next may follow at once. `park` is called when the client takes its time while others
   * wait: whoever feeds it should stop, and go on after `ready`.
   */
  write(chunk: Buffer, park: () => void): Promise<void> | undefined {
    if (this.#sink.destroyed) throw gone();
    if (chunk.byteLength === 0 || this.#sink.write(chunk)) return undefined;
    const { promise: parked, resolve } = Promise.withResolvers<void>();
    const draining = this.#drained(chunk.byteLength, () => {
      park();
      resolve();
    });
    this.#draining = draining;
    draining.catch(() => undefined);
    return Promise.race([draining, parked]);
  }

  /** Resolves when the client has taken everything that was written. */
  async ready(): Promise<void> {
    await this.#draining;
    if (this.#sink.destroyed) throw gone();
  }

  #drained(bytes: number, park: () => void): Promise<void> {
    const sink = this.#sink;
    const { owner, lane, crowded } = this.#parts;
    return new Promise((resolve, reject) => {
      const since = performance.now();
      const drop = () => {
        settle(gone());
        sink.destroy();
      };
      let held: Held | undefined;
      const settle = (error?: Error) => {
        clearTimeout(timer);
        sink.off('drain', drained).off('close', closed);
        if (held !== undefined) lane.leave(held);
        if (error === undefined) resolve();
        else reject(error);
      };
      const drained = () => settle();
      const closed = () => settle(gone());
      const impatient = () => {
        if (performance.now() - since > STALLED) return drop();
        if (held === undefined && crowded()) {
          const slow = { owner, bytes, since, drop };
          if (lane.admit(slow)) {
            held = slow;
            park();
          }
        }
        timer.refresh();
      };
      const timer = setTimeout(impatient, PATIENCE);
      sink.once('drain', drained).once('close', closed);
    });
  }
}
