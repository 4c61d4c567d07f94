import type { JobQueue } from '../metadata/job-queue.ts';

export interface LeaseParts {
  readonly queue: JobQueue;
  readonly kind: string;
  /** Name of this process. */
  readonly worker: string;
  /** How long the others wait after a holder died, milliseconds. */
  readonly length: number;
  /** So long nobody must have had it before this process takes it, milliseconds: whoever has none comes first. */
  readonly patience?: number;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Work that one replica does and another takes over: a job that never ends. */
export class Lease {
  #parts: LeaseParts;
  #held: number | undefined;
  #until = 0;

  constructor(parts: LeaseParts) {
    this.#parts = parts;
  }

  /** Whether this process has it, from now for half its length at least. Asking again renews, where half of it is over. */
  async hold(): Promise<boolean> {
    const { queue, kind, worker, length, patience = 0, now } = this.#parts;
    if (this.#held !== undefined && now() < this.#until - length / 2) return true;
    const leaseUntil = now() + length;
    if (this.#held !== undefined && (await queue.renewJob({ id: this.#held, worker, leaseUntil }))) {
      this.#until = leaseUntil;
      return true;
    }
    this.#held = undefined;
    await queue.enqueueJob({ kind, key: kind, payload: '{}', runAt: now(), now: now() });
    const job = await queue.claimJob({ kinds: [kind], worker, now: now() - patience, leaseUntil });
    this.#held = job?.id;
    this.#until = leaseUntil;
    return job !== undefined;
  }

  /** Lets another have it at once. */
  async release(): Promise<void> {
    const { queue, worker, now } = this.#parts;
    if (this.#held === undefined) return;
    await queue.finishJob({ id: this.#held, worker, again: { runAt: now(), payload: '{}' } });
    this.#held = undefined;
  }
}
