import { shareOf } from './shares.ts';

/** Bytes of buffers that clients may hold without taking them, beside the pools. */
const MOST_BYTES = 8 * 1024 * 1024;
/** Past that, whoever held a buffer longest is dropped, if longer than this (milliseconds). */
const GRACE = 5_000;

export interface Held {
  /** Client address. */
  readonly owner: string;
  readonly bytes: number;
  /** `performance.now()`. */
  readonly since: number;
  /** Ends that client's transfer. */
  readonly drop: () => void;
}

interface Owned {
  bytes: number;
  /** The oldest first. */
  readonly held: Set<Held>;
}

/**
 * Buffers that slow clients sit on. They are replaced in their pool, so that the quick go on; up to a bound, past which the
 * slowest of the address that holds most are dropped. So memory is bounded, and nobody can stop others by not reading.
 */
export class SlowLane {
  readonly #owners = new Map<string, Owned>();
  readonly #now: () => number;
  #bytes = 0;

  /** @param now milliseconds, as `performance.now()` counts them */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether the buffer may be replaced in its pool. */
  admit(held: Held): boolean {
    const before = this.#now() - GRACE;
    for (let full = this.#fullest(held); full !== undefined; full = this.#fullest(held)) {
      const [oldest] = full.held;
      if (oldest === undefined || oldest.since > before) return false;
      this.leave(oldest);
      oldest.drop();
    }
    this.#enter(held);
    return true;
  }

  leave(held: Held): void {
    const owned = this.#owners.get(held.owner);
    if (owned?.held.delete(held) !== true) return;
    owned.bytes -= held.bytes;
    this.#bytes -= held.bytes;
    if (owned.held.size === 0) this.#owners.delete(held.owner);
  }

  #enter(held: Held): void {
    const owned = this.#owners.get(held.owner) ?? { bytes: 0, held: new Set() };
    owned.held.add(held);
    owned.bytes += held.bytes;
    this.#bytes += held.bytes;
    this.#owners.set(held.owner, owned);
  }

  /** Who has to make room: the owner itself past its share, else who holds most; nobody where there is room. */
  #fullest({ owner, bytes }: Held): Owned | undefined {
    const own = this.#owners.get(owner);
    const owners = this.#owners.size + (own === undefined ? 1 : 0);
    if (own !== undefined && own.bytes + bytes > shareOf(MOST_BYTES, owners)) return own;
    if (this.#bytes + bytes <= MOST_BYTES) return undefined;
    return [...this.#owners.values()].reduce((most, other) => (other.bytes > most.bytes ? other : most));
  }
}
