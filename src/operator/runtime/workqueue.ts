import { type Clock, systemClock } from './clock.ts';
import type { RuntimeMetrics } from './metrics.ts';
import { type Rate, TokenBucket } from './token-bucket.ts';

export interface WorkQueueOptions {
  name: string;
  metrics?: Pick<RuntimeMetrics, 'queueDepth' | 'queueAdds' | 'queueSeconds' | 'workSeconds' | 'retries'>;
  clock?: Clock;
  /** Back-off of a key after its first failure, in milliseconds; it doubles each time; default 5. */
  baseDelayMs?: number;
  /** Longest back-off of a key, in milliseconds; default 1,000,000 (16 min 40 s). */
  maxDelayMs?: number;
  /** Limits all retries together; default 10 a second with a burst of 100. */
  rate?: Rate;
}

interface Delayed {
  dueMs: number;
  cancel: () => void;
}

/** Node fires a timer of more than 24.8 days at once; a look too early is harmless. */
const LONGEST_DELAY_MS = 86_400_000;

/**
 * Keys that wait for a worker. A key is handed to one worker at a time; added again while it is worked on, it comes
 * back once, however often it was added. No key blocks another.
 */
export class WorkQueue {
  readonly #options: Required<Omit<WorkQueueOptions, 'metrics'>> & Pick<WorkQueueOptions, 'metrics'>;
  readonly #bucket: TokenBucket;
  /** Keys that wait, in the order of their adding, with the time of it. */
  readonly #waiting = new Map<string, number>();
  /** Keys that a worker holds, with the time since when. */
  readonly #held = new Map<string, number>();
  /** Keys that were added while held. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#options = {
      clock: systemClock,
      baseDelayMs: 5,
      maxDelayMs: 1_000_000,
      rate: { perSecond: 10, burst: 100 },
      ...options,
    };
    this.#bucket = new TokenBucket(this.#options.rate, this.#options.clock);
  }

  /** Keys that wait for a worker now. */
  get depth(): number {
    return this.#waiting.size + this.#again.size;
  }

  add(key: string): void {
    if (this.#closed || this.#waiting.has(key) || this.#again.has(key)) return;
    // What was to come later has come: a second run would see nothing new.
    this.#callOff(key);
    this.#options.metrics?.queueAdds.inc({ name: this.#options.name });
    if (this.#held.has(key)) this.#again.add(key);
    else this.#enqueue(key);
    this.#showDepth();
  }

  /** Adds a key after so many milliseconds, at most a day; the earlier of two delays counts. */
  addAfter(key: string, askedMs: number): void {
    if (this.#closed) return;
    if (askedMs <= 0) {
      this.add(key);
      return;
    }
    const delayMs = Math.min(askedMs, LONGEST_DELAY_MS);
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    const before = this.#delayed.get(key);
    if (before !== undefined && before.dueMs <= dueMs) return;
    before?.cancel();
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { dueMs, cancel });
  }

  /** Adds a key that failed, after its back-off; gives the delay in milliseconds. */
  addFailed(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#options.metrics?.retries.inc({ name: this.#options.name });
    const backoff = Math.min(this.#options.baseDelayMs * 2 ** failures, this.#options.maxDelayMs);
    const delay = Math.max(backoff, this.#bucket.reserve());
    this.addAfter(key, delay);
    return delay;
  }

  /** A key that succeeded starts its back-off anew. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** How often the key has failed since it last succeeded. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key, when there is one; undefined once the queue is closed. Give it back with `done`. */
  take(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const first = this.#waiting.keys().next();
    if (!first.done) return Promise.resolve(this.#hand(first.value));
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  done(key: string): void {
    const since = this.#held.get(key);
    if (since === undefined) throw new Error(`key ${key} is given back, but no worker holds it`);
    this.#held.delete(key);
    this.#options.metrics?.workSeconds.observe({ name: this.#options.name }, this.#secondsSince(since));
    if (this.#again.delete(key) && !this.#closed) this.#enqueue(key);
    this.#showDepth();
  }

  /** Drops all that waits; every `take` gives undefined from now on. What is held can still be given back. */
  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#waiting.clear();
    this.#again.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
    this.#showDepth();
  }

  #enqueue(key: string): void {
    this.#waiting.set(key, this.#options.clock.monotonicMs());
    const taker = this.#takers.shift();
    if (taker !== undefined) taker(this.#hand(key));
  }

  #hand(key: string): string {
    const since = this.#waiting.get(key) ?? this.#options.clock.monotonicMs();
    this.#waiting.delete(key);
    this.#held.set(key, this.#options.clock.monotonicMs());
    this.#options.metrics?.queueSeconds.observe({ name: this.#options.name }, this.#secondsSince(since));
    this.#showDepth();
    return key;
  }

  #callOff(key: string): void {
    this.#delayed.get(key)?.cancel();
    this.#delayed.delete(key);
  }

  #secondsSince(ms: number): number {
    return (this.#options.clock.monotonicMs() - ms) / 1000;
  }

  #showDepth(): void {
    this.#options.metrics?.queueDepth.set({ name: this.#options.name }, this.depth);
  }
}
