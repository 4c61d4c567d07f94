import type { JobQueue } from '../metadata/job-queue.ts';
import type { Millis } from '../metadata/store.ts';

/** Kind of the job that whoever holds it carries the rules out. */
const kind = 'replication';
/** So long a process that died keeps others off, milliseconds. */
const lease = 15_000;

export interface PostParts {
  readonly queue: Pick<JobQueue, 'enqueueJob' | 'claimJob' | 'renewJob' | 'finishJob'>;
  /** Names this process among those that share the database. */
  readonly worker: string;
  /** No other process can be there. */
  readonly alone: boolean;
  now(): Millis;
}

/** The post of the one process that carries the rules out, of those that share a database. */
export class Post {
  readonly #parts: PostParts;
  #held: number | undefined;
  #until = 0;

  constructor(parts: PostParts) {
    this.#parts = parts;
  }

  /** Takes the post, or keeps it: to be asked every few seconds. @returns whether it is held now */
  async take(): Promise<boolean> {
    const { queue, worker, alone, now } = this.#parts;
    if (alone) return true;
    const leaseUntil = now() + lease;
    if (this.#held !== undefined) {
      const still = await queue.renewJob({ id: this.#held, worker, leaseUntil }).catch(() => undefined);
      if (still === true) this.#until = leaseUntil;
      // A database that fails for a moment is asked again; the lease may outlast it.
      if (still === false || this.#until < now()) this.#held = undefined;
      return this.#held !== undefined;
    }
    await queue.enqueueJob({ kind, key: '', payload: '{}', runAt: now(), now: now() });
    const job = await queue.claimJob({ kinds: [kind], worker, now: now(), leaseUntil });
    this.#held = job?.id;
    this.#until = leaseUntil;
    return job !== undefined;
  }

  /** Leaves it to the next one at once. */
  async leave(): Promise<void> {
    const { queue, worker, now } = this.#parts;
    if (this.#held === undefined) return;
    await queue.finishJob({ id: this.#held, worker, again: { runAt: now(), payload: '{}' } }).catch(() => undefined);
    this.#held = undefined;
  }

  /** Takes what was asked for, job by job: `done` is told kind and key. */
  async errands(kinds: readonly string[], done: (kind: string, key: string) => void): Promise<void> {
    const { queue, worker, now } = this.#parts;
    for (;;) {
      const job = await queue.claimJob({ kinds, worker, now: now(), leaseUntil: now() + lease });
      if (job === undefined) return;
      done(job.kind, job.key);
      await queue.finishJob({ id: job.id, worker });
    }
  }
}
