import { nextTime } from '../../domain/schedule.ts';
import type { Removal } from '../metadata/reclaiming.ts';
import type { Millis } from '../metadata/store.ts';
import { BREATH, inBatches, pause } from './pause.ts';
import type { JobParts, Outcome, Pass, Work } from './work.ts';

/** Shortest grace time, milliseconds, whatever is configured: a push takes that long between its blobs and its manifest. */
const SHORTEST_GRACE = 10_000;
/** Milliseconds that the clocks of two replicas may differ: one of them leased a blob, the other one finds the lease too old. */
const CLOCK_SKEW = 60_000;
/** Milliseconds between condemning a blob and dropping it. */
const SETTLING = 5_000;
/** Blobs in one transaction, and files unlinked between two pauses. */
const BATCH = 100;
/** Removals that are asked for at once: the metadata passes over those that snapshots hold each time. */
const DUE = 1000;
/** Passes are this far apart, milliseconds, where no schedule says otherwise. */
const APART = { least: 2_000, most: 60_000 };

/** Takes space back: condemns what lost its last reference, drops what was condemned before, unlinks what nobody names. */
export function reclaimWork(parts: JobParts): Work {
  return {
    kind: 'reclaim',
    next(now) {
      const { schedule, graceSeconds } = parts.settings().reclaim;
      if (schedule !== undefined) return nextTime(schedule, now);
      return now + Math.min(APART.most, Math.max(APART.least, graceSeconds * 250));
    },
    run: (pass) => reclaimOnce(parts, pass),
  };
}

async function reclaimOnce(parts: JobParts, { signal }: Pass): Promise<Outcome> {
  const { metadata, now, log, removalDelay } = parts;
  const grace = graceOf(parts);
  const condemned = await inBatches(BATCH, signal, () =>
    metadata.condemnBlobs({ before: now() - grace, now: now(), limit: BATCH }),
  );
  const dropped = await inBatches(BATCH, signal, async () => {
    const at = now();
    const work = { condemnedBefore: at - SETTLING, before: at - grace, now: at, limit: BATCH };
    return (await metadata.dropCondemned(work)).length;
  });
  const freed = await unlinkDue(parts, signal);
  if (dropped > 0 || freed.blobs > 0) log.info({ condemned, dropped, ...freed }, 'took space back');
  return soonAgain({ condemned, dropped }, now(), removalDelay);
}

/** Milliseconds without a reference and without a lease, by the clock of this replica. */
function graceOf({ settings, blobs }: JobParts): number {
  const grace = Math.max(settings().reclaim.graceSeconds * 1000, SHORTEST_GRACE);
  return blobs.shared ? grace + CLOCK_SKEW : grace;
}

/** What was condemned or dropped now is followed up soon, also where a schedule lets the next pass wait for a day. */
function soonAgain(done: { condemned: number; dropped: number }, now: Millis, removalDelay: number): Outcome {
  if (done.condemned > 0) return { runAt: now + SETTLING };
  return done.dropped > 0 && removalDelay > 0 ? { runAt: now + removalDelay + 1000 } : {};
}

interface Freed {
  blobs: number;
  bytes: number;
}

/** Throws the first failure of a batch after the others of that batch were done. */
async function unlinkDue({ metadata, blobs, metrics, now }: JobParts, signal: AbortSignal): Promise<Freed> {
  const freed: Freed = { blobs: 0, bytes: 0 };
  const unlink = async ({ key, size }: Removal) => {
    await blobs.remove(key);
    freed.blobs += 1;
    freed.bytes += size;
    metrics.reclaimed(size);
    return key;
  };
  await inBatches(DUE, signal, async () => {
    const due = await metadata.dueRemovals(now(), DUE);
    for (let at = 0; at < due.length; at += BATCH) {
      const results = await Promise.allSettled(due.slice(at, at + BATCH).map(unlink));
      await metadata.forgetRemovals(results.flatMap((done) => (done.status === 'fulfilled' ? [done.value] : [])));
      const failed = results.find((done) => done.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      await pause(BREATH, signal);
    }
    return due.length;
  });
  return freed;
}
