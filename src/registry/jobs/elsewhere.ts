import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../platform/log.ts';
import type { JobQueue } from '../metadata/job-queue.ts';
import type { Millis } from '../metadata/store.ts';

/** Whoever dies between taking a request and passing it on keeps others off for so long, milliseconds. */
const LEASE = 10_000;

/** Kind of the job by which a process that does no work itself asks for a pass of `kind`. */
function requestOf(kind: string): string {
  return `${kind}-now`;
}

/** Asks whoever does the work for a pass of `kind`: a row of its own, because that of the pass may be held now. */
export async function askElsewhere(queue: Pick<JobQueue, 'enqueueJob'>, kind: string, now: Millis): Promise<void> {
  await queue.enqueueJob({ kind: requestOf(kind), key: '', payload: '{}', runAt: now, now });
}

export interface RequestsParts {
  readonly queue: Pick<JobQueue, 'claimJob' | 'finishJob'>;
  readonly worker: string;
  readonly log: Pick<Log, 'warn'>;
  /** Kinds of passes that may be asked for. */
  readonly kinds: readonly string[];
  /** Milliseconds between two looks. */
  readonly every: number;
  ask(kind: string): void;
  now(): Millis;
}

/** Takes what processes that do no work themselves ask for. */
export class Requests {
  readonly #parts: RequestsParts;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;

  constructor(parts: RequestsParts) {
    this.#parts = parts;
    this.#ended = this.#go();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  async #go(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#take().catch((error: unknown) => {
        if (!signal.aborted) this.#parts.log.warn({ err: error }, 'cannot look for what is asked for; tried again');
      });
      await sleep(this.#parts.every, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #take(): Promise<void> {
    const { queue, worker, kinds, ask, now } = this.#parts;
    const asked = new Map(kinds.map((kind) => [requestOf(kind), kind]));
    while (!this.#stopping.signal.aborted) {
      const wanted = { kinds: [...asked.keys()], worker, now: now(), leaseUntil: now() + LEASE };
      const job = await queue.claimJob(wanted);
      if (job === undefined) return;
      ask(asked.get(job.kind) ?? job.kind);
      await queue.finishJob({ id: job.id, worker });
    }
  }
}
