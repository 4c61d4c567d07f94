import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../platform/fatal.ts';
import type { Log } from '../../platform/log.ts';
import type { Job, JobQueue } from '../metadata/job-queue.ts';
import { type SnapshotParts, takeSnapshot, tidySnapshots } from './snapshots.ts';

const KIND = 'backup';
/** Milliseconds between two looks whether a snapshot is due. */
const INTERVAL = 5000;
/** How long a replica that died keeps others from its snapshot, milliseconds. */
const LEASE = 60_000;
/** After a failure, milliseconds. */
const RETRY = 60_000;

export interface BackupParts extends SnapshotParts {
  readonly metadata: SnapshotParts['metadata'] & JobQueue;
  /** The next time after one, milliseconds since the epoch. */
  next(after: number): number;
  readonly keep: number;
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
    const { metadata, worker, now, next } = this.#parts;
    // The journal's epoch is part of a snapshot's name.
    if (this.#parts.epoch() === 0) return;
    const newest = (await metadata.snapshots()).at(-1);
    const runAt = newest === undefined ? now() : next(newest.takenAt);
    await metadata.enqueueJob({ kind: KIND, key: KIND, payload: '{}', runAt, now: now() });
    const job = await metadata.claimJob({ kinds: [KIND], worker, now: now(), leaseUntil: now() + LEASE });
    if (job !== undefined) await this.#work(job);
  }

  async #work({ id }: Job): Promise<void> {
    const { metadata, worker, now, next, keep, log, onFailure } = this.#parts;
    const renewing = setInterval(() => {
      metadata.renewJob({ id, worker, leaseUntil: now() + LEASE }).catch(() => undefined);
    }, LEASE / 3).unref();
    try {
      const { name, size } = await takeSnapshot(this.#parts, this.#parts.epoch());
      await tidySnapshots(this.#parts, keep);
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
