import type { Log } from '../../platform/log.ts';
import type { Job, JobQueue } from '../metadata/job-queue.ts';
import type { Millis } from '../metadata/store.ts';
import type { Gate } from './gate.ts';
import type { JobMetrics } from './metrics.ts';
import { pause } from './pause.ts';
import type { Outcome, Work } from './work.ts';

/** For how long a claim holds without being renewed, milliseconds: so much later a dead worker's job goes on elsewhere. */
const LEASE = 30_000;
/** Longest and shortest time between two looks at the queue, milliseconds. */
const LOOK = { most: 30_000, least: 1000 };
/** Time until a failed pass is tried again, milliseconds; doubled with each failure. */
const BACKOFF = { first: 5000, most: 300_000 };

export interface LaneParts {
  readonly queue: Pick<JobQueue, 'enqueueJob' | 'claimJob' | 'renewJob' | 'finishJob'>;
  readonly log: Pick<Log, 'warn'>;
  readonly metrics: Pick<JobMetrics, 'ran'>;
  /** Bounds the passes of this process. */
  readonly gate: Gate;
  /** Names this process among those that share the queue. */
  readonly worker: string;
  now(): Millis;
}

const UNKNOWN = Number.POSITIVE_INFINITY;

class Lost extends Error {}

/** Does one kind of work, pass after pass, whenever its job is due and nobody else holds it. */
export class Lane {
  readonly #work: Work;
  readonly #parts: LaneParts;
  readonly #stopping = new AbortController();
  #waking = new AbortController();
  /** A pass was asked for since the last look. */
  #asked = false;
  /** A pass was asked for and has not begun. */
  #urgent = false;
  /** When the job is due as far as this process knows. */
  #due = UNKNOWN;
  #failures = 0;
  readonly #ended: Promise<void>;

  constructor(work: Work, parts: LaneParts) {
    this.#work = work;
    this.#parts = parts;
    this.#ended = this.#go();
  }

  /** Asks for a pass as soon as may be. */
  ask(): void {
    this.#asked = true;
    this.#waking.abort();
  }

  /** Ends the pass that is under way, and resolves when nothing is left running. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the registry is stopping'));
    await this.#ended;
  }

  async #go(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const wait = await this.#turn();
      this.#waking = new AbortController();
      if (!this.#asked) await pause(wait, AbortSignal.any([signal, this.#waking.signal])).catch(() => undefined);
    }
  }

  /** One look at the queue and the work found there. Never rejects. @returns milliseconds until the next look */
  async #turn(): Promise<number> {
    const { queue, worker, now, log, gate } = this.#parts;
    const { kind } = this.#work;
    try {
      await this.#plan();
      // Claimed when there is room for it here: until then anybody may.
      await gate.run(this.#stopping.signal, async () => {
        const job = await queue.claimJob({ kinds: [kind], worker, now: now(), leaseUntil: now() + LEASE });
        if (job !== undefined) await this.#pass(job);
        // Somebody else has it, and will say when it comes again.
        else if (this.#due <= now()) this.#due = UNKNOWN;
      });
      return Math.min(LOOK.most, Math.max(LOOK.least, this.#due - now()));
    } catch (error) {
      if (!this.#stopping.signal.aborted)
        log.warn({ err: error, kind }, 'background work cannot reach its queue; tried again in a while');
      this.#due = UNKNOWN;
      return this.#backOff();
    }
  }

  /** The job is put into the queue, or brought forward where it was asked for or the plan has changed. */
  async #plan(): Promise<void> {
    const { queue, now } = this.#parts;
    const { kind } = this.#work;
    if (this.#asked) this.#urgent = true;
    this.#asked = false;
    const runAt = this.#urgent ? now() : this.#work.next(now());
    if (runAt >= this.#due) return;
    await queue.enqueueJob({ kind, key: '', payload: '{}', runAt, now: now() });
    this.#due = runAt;
  }

  async #pass(job: Job): Promise<void> {
    const { queue, worker, now, metrics, log } = this.#parts;
    const { kind } = this.#work;
    const { id } = job;
    const again = { runAt: now(), payload: job.payload };
    try {
      Object.assign(again, await this.#run(job, again));
      this.#failures = 0;
      metrics.ran(kind, 'success', now());
    } catch (error) {
      this.#due = UNKNOWN;
      if (error instanceof Lost) return;
      if (!this.#stopping.signal.aborted) {
        const wait = this.#backOff();
        Object.assign(again, { runAt: now() + wait, error: error instanceof Error ? error.message : String(error) });
        metrics.ran(kind, 'failure', now());
        log.warn({ err: error, kind, seconds: wait / 1000 }, 'a pass of background work failed; it is tried again');
      }
    }
    if (this.#asked) again.runAt = now();
    await queue.finishJob({ id, worker, again });
    this.#due = again.runAt;
  }

  /** Runs a pass and holds its claim meanwhile. Throws Lost where somebody else has taken over. */
  async #run({ id, payload }: Job, again: { payload: string }): Promise<{ runAt: Millis; payload: string }> {
    const { queue, worker, now } = this.#parts;
    const lost = new AbortController();
    const hold = async (kept?: string) => {
      const held = await queue.renewJob({ id, worker, leaseUntil: now() + LEASE, ...(kept && { payload: kept }) });
      if (!held) throw new Lost('another worker has taken this job over');
      again.payload = kept ?? again.payload;
    };
    const holding = setInterval(() => {
      hold().catch((error: unknown) => error instanceof Lost && lost.abort(error));
    }, LEASE / 3);
    const asked = this.#urgent;
    this.#urgent = false;
    const signal = AbortSignal.any([this.#stopping.signal, lost.signal]);
    try {
      const outcome: Outcome = await this.#work.run({ payload, asked, signal, keep: hold });
      return { payload: outcome.payload ?? again.payload, runAt: outcome.runAt ?? this.#work.next(now()) };
    } finally {
      clearInterval(holding);
    }
  }

  #backOff(): number {
    const wait = Math.min(BACKOFF.most, BACKOFF.first * 2 ** this.#failures);
    this.#failures += 1;
    return wait;
  }
}
