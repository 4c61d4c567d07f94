/** Somebody who gathers bytes for a part. */
export interface Gatherer {
  /** Bytes of the part that is being filled, which could leave memory. */
  readonly filling: number;
  /** Drops what is in the bucket as well, and gives it back. */
  dropCopies(): void;
  /** Moves everything to the bucket, and gives it back. Never rejects. */
  spill(): Promise<void>;
}

interface Account {
  held: number;
  grownAt: number;
  spilling: boolean;
}

interface Waiter {
  readonly gatherer: Gatherer;
  readonly bytes: number;
  readonly go: () => void;
}

export interface PartMemoryBounds {
  /** Bytes in all. */
  readonly limit: number;
  /** Bytes of the largest part that is gathered in memory; at most half of `limit`. */
  readonly part: number;
}

/** How often is looked at who holds memory without using it, while others wait; milliseconds. */
const LOOK = 100;
/** Who was let past the others and does not grow for so long is moved out of memory, milliseconds. */
const FAVOURED_IDLE = 300;
/** The same for everybody else. */
const IDLE = 1_000;

/**
 * The memory for parts of all uploads together. Who finds none waits, and so does its client. One upload at a time may go
 * past the others up to the limit, so that always somebody's part becomes full, is sent and makes room; and who holds
 * memory but gets no more bytes from its client, while others wait, is moved to the bucket.
 */
export class PartMemory {
  readonly #bounds: PartMemoryBounds;
  readonly #accounts = new Map<Gatherer, Account>();
  #waiting: Waiter[] = [];
  #favoured: Gatherer | undefined;
  #used = 0;
  #looking: NodeJS.Timeout | undefined;

  constructor(bounds: PartMemoryBounds) {
    this.#bounds = bounds;
  }

  /** Bytes that are held. */
  get used(): number {
    return this.#used;
  }

  /** Resolves when `bytes` more may be held. */
  take(gatherer: Gatherer, bytes: number): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#fits(gatherer, bytes)) return this.#grant(gatherer, bytes);
    for (const other of this.#accounts.keys()) other.dropCopies();
    if (this.#waiting.length === 0 && this.#fits(gatherer, bytes)) return this.#grant(gatherer, bytes);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ gatherer, bytes, go: resolve });
    this.#serve();
    return promise;
  }

  give(gatherer: Gatherer, bytes: number): void {
    const account = this.#accounts.get(gatherer);
    if (account === undefined || bytes === 0) return;
    account.held -= bytes;
    this.#used -= bytes;
    if (account.held === 0 && !account.spilling) this.#accounts.delete(gatherer);
    if (this.#favoured === gatherer && gatherer.filling === 0) this.#favoured = undefined;
    this.#serve();
  }

  #fits(gatherer: Gatherer, bytes: number): boolean {
    const { limit, part } = this.#bounds;
    if (this.#used === 0) return true;
    return this.#used + bytes <= (gatherer === this.#favoured ? limit : limit - part);
  }

  #grant(gatherer: Gatherer, bytes: number): undefined {
    const account = this.#accounts.get(gatherer) ?? { held: 0, grownAt: 0, spilling: false };
    account.held += bytes;
    account.grownAt = performance.now();
    this.#used += bytes;
    this.#accounts.set(gatherer, account);
  }

  /** Lets everybody go on who can, in the order in which they came; the favoured before all others. */
  #serve(): void {
    for (let going = true; going && this.#waiting.length > 0; ) {
      going = false;
      this.#favour();
      const next = this.#waiting.find(({ gatherer, bytes }) => this.#fits(gatherer, bytes));
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter((waiter) => waiter !== next);
      this.#grant(next.gatherer, next.bytes);
      next.go();
      going = true;
    }
    if (this.#waiting.length > 0) this.#looking ??= setInterval(() => this.#look(), LOOK);
    else if (this.#looking !== undefined) {
      clearInterval(this.#looking);
      this.#looking = undefined;
    }
  }

  /** Of those who wait, the one whose part is fullest. */
  #favour(): void {
    if (this.#favoured !== undefined) return;
    const { limit, part } = this.#bounds;
    const able = this.#waiting.filter(({ gatherer }) => this.#used + part - gatherer.filling <= limit);
    this.#favoured = able.reduce<Waiter | undefined>(
      (most, one) => (most === undefined || one.gatherer.filling > most.gatherer.filling ? one : most),
      undefined,
    )?.gatherer;
  }

  #look(): void {
    const now = performance.now();
    for (const [gatherer, account] of this.#accounts) {
      if (account.spilling || gatherer.filling === 0) continue;
      if (this.#waiting.some((waiter) => waiter.gatherer === gatherer)) continue;
      const patience = gatherer === this.#favoured ? FAVOURED_IDLE : IDLE;
      if (now - account.grownAt > patience) void this.#spill(gatherer, account);
    }
    if (this.#favoured !== undefined && !this.#accounts.has(this.#favoured)) this.#unfavour();
  }

  #unfavour(): void {
    const favoured = this.#favoured;
    if (this.#waiting.some(({ gatherer }) => gatherer === favoured)) return;
    this.#favoured = undefined;
    this.#serve();
  }

  async #spill(gatherer: Gatherer, account: Account): Promise<void> {
    account.spilling = true;
    await gatherer.spill();
    account.spilling = false;
    if (account.held === 0) this.#accounts.delete(gatherer);
    if (this.#favoured === gatherer) this.#favoured = undefined;
    this.#serve();
  }
}
