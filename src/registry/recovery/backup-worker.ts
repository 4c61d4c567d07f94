import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../platform/fatal.ts';
import type { Log } from '../../platform/log.ts';
import type { Job, JobQueue } from '../metadata/job-queue.ts';
import type { SnapshotRow } from '../metadata/recovery.ts';
import type { RecordStore } from '../storage/records.ts';
import { type SnapshotParts, takeSnapshot, tidySnapshots } from './snapshots.ts';

const KIND = 'backup';
/** Milliseconds between two looks whether a snapshot is due. */
const INTERVAL = 5000;
/** How long a replica that died keeps others from its snapshot, milliseconds. */
const LEASE = 60_000;
/** After a failure, milliseconds. */
const RETRY = 60_000;

/** Where snapshots go, when, and how many stay. */
export interface BackupPlan {
  readonly target: RecordStore;
  /** The next time after one, milliseconds since the epoch. */
  next(after: number): number;
  readonly keep: number;
}

export interface BackupParts {
  readonly metadata: SnapshotParts['metadata'] & JobQueue;
  /** As it is set now; undefined where there is no second place. */
  plan(): Promise<BackupPlan | undefined>;
  /** Of the journal: what is restored later goes on from there. */
  epoch(): number;
  readonly worker: string;
  readonly log: Pick<Log, 'info' | 'warn'>;
  onFailure(): void;
  now(): number;
}

/** Takes snapshots when they are due; one replica at a time, and one that was missed soon after the start. */
export class BackupWorker {
  #parts: BackupParts;
  #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(parts: BackupParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run(this.#stopping.signal);
  }

  /** A snapshot under way is finished by whoever looks next. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.race([this.#running, sleep(1000, undefined, { ref: false })]);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) =>
        this.#parts.log.warn({ reason: messageOf(error) }, 'cannot look whether a snapshot is due; tried again'),
      );
      await sleep(INTERVAL, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const { metadata, worker, now, epoch } = this.#parts;
    // The journal's epoch is part of a snapshot's name.
    if (epoch() === 0) return;
    const plan = await this.#parts.plan();
    const kept = await metadata.snapshots();
    if (plan === undefined) return this.#forget(kept);
    const newest = kept.at(-1);
    const runAt = newest === undefined ? now() : plan.next(newest.takenAt);
    await metadata.enqueueJob({ kind: KIND, key: KIND, payload: '{}', runAt, now: now() });
    const job = await metadata.claimJob({ kinds: [KIND], worker, now: now(), leaseUntil: now() + LEASE });
    if (job !== undefined) await this.#work(job, plan);
  }

  /** What nobody keeps any more holds no bytes back. */
  async #forget(kept: readonly SnapshotRow[]): Promise<void> {
    for (const { name } of kept) await this.#parts.metadata.dropSnapshot(name);
    if (kept.length > 0)
      this.#parts.log.info(
        { snapshots: kept.length },
        'no second place is set any more: what its snapshots name may go',
      );
  }

  async #work({ id }: Job, { target, next, keep }: BackupPlan): Promise<void> {
    const { metadata, worker, now, log, onFailure } = this.#parts;
    const renewing = setInterval(() => {
      metadata.renewJob({ id, worker, leaseUntil: now() + LEASE }).catch(() => undefined);
    }, LEASE / 3).unref();
    try {
      const { name, size } = await takeSnapshot({ metadata, target }, this.#parts.epoch());
      await tidySnapshots({ metadata, target, log }, keep);
      log.info({ snapshot: name, size }, 'snapshot of the metadata taken');
      await metadata.finishJob({ id, worker, again: { runAt: next(now()), payload: '{}' } });
    } catch (error) {
      onFailure();
      const reason = messageOf(error);
      log.warn({ reason }, 'the snapshot failed; tried again in a minute');
      const runAt = Math.min(next(now()), now() + RETRY);
      await metadata.finishJob({ id, worker, again: { runAt, payload: '{}', error: reason } });
    } finally {
      clearInterval(renewing);
    }
  }
}
