/** Bytes of buffers that clients may hold without taking them, beside the pools. */
const MOST_BYTES = 8 * 1024 * 1024;
/** Past that, whoever held a buffer longest is dropped, if longer than this (milliseconds). */
const GRACE = 5_000;

export interface Held {
  readonly bytes: number;
  readonly since: number;
  /** Ends that client's transfer. */
  readonly drop: () => void;
}

/**
 * Buffers that slow clients sit on. They are replaced in their pool, so that the quick go on; up to a bound, past which the
 * slowest are dropped. So memory is bounded, and nobody can stop others by not reading.
 */
export class SlowLane {
  #held = new Set<Held>();
  #bytes = 0;

  /** Whether the buffer may be replaced in its pool. */
  admit(held: Held): boolean {
    const before = performance.now() - GRACE;
    for (const other of this.#held) {
      if (this.#bytes + held.bytes <= MOST_BYTES) break;
      if (other.since > before) return false;
      this.leave(other);
      other.drop();
    }
    if (this.#bytes + held.bytes > MOST_BYTES) return false;
    this.#held.add(held);
    this.#bytes += held.bytes;
    return true;
  }

  leave(held: Held): void {
    if (this.#held.delete(held)) this.#bytes -= held.bytes;
  }
}
