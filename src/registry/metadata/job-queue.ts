import type { Awaitable, Millis } from './store.ts';

/**
 * Durable work. A job is one row for each (kind, key); whoever claims it holds it until its lease ends, and only the holder
 * may renew or finish it. With several replicas each job is held by one of them at a time (`FOR UPDATE SKIP LOCKED`).
 */
export interface JobQueue {
  /** Adds a job, or moves one that nobody holds to an earlier time. A job that is there keeps its payload. */
  enqueueJob(job: NewJob): Promise<void>;
  /** Takes the job that is due the longest, of one of these kinds; one whose lease has ended counts as not held. */
  claimJob(claim: {
    kinds: readonly string[];
    worker: string;
    now: Millis;
    leaseUntil: Millis;
  }): Promise<Job | undefined>;
  /** Keeps a claim, and what was done so far. False where somebody else has it now: stop at once. */
  renewJob(held: { id: number; worker: string; leaseUntil: Millis; payload?: string }): Promise<boolean>;
  /** Ends a claim: the job is gone, or comes again at `again.runAt`. False where somebody else has it now. */
  finishJob(held: {
    id: number;
    worker: string;
    again?: { runAt: Millis; payload: string; error?: string };
  }): Promise<boolean>;
  /** What there is to do, in order of time, at most `limit`: for people. */
  jobs(limit: number): Awaitable<JobState[]>;
}

export interface NewJob {
  readonly kind: string;
  readonly key: string;
  /** JSON. */
  readonly payload: string;
  readonly runAt: Millis;
  readonly now: Millis;
}

export interface Job {
  readonly id: number;
  readonly kind: string;
  readonly key: string;
  readonly payload: string;
  /** Claims so far that did not end in `finishJob`, this one included. */
  readonly attempts: number;
  readonly lastError?: string;
}

export interface JobState {
  readonly kind: string;
  readonly key: string;
  readonly runAt: Millis;
  /** Until when somebody holds it; a time that has passed means that the holder died. */
  readonly heldUntil?: Millis;
  readonly attempts: number;
  readonly lastError?: string;
}
