import { sweepAbandonedUploads } from './abandoned-uploads.ts';
import { sweepOrphans } from './orphans.ts';
import type { JobParts, Outcome, Pass, Work } from './work.ts';

/** Passes are this far apart, milliseconds. */
const APART = { least: 10_000, most: 3_600_000 };

/** Clears away what was begun and never finished: uploads that were given up, and bytes that a crash left without a name. */
export function sweepWork(parts: JobParts): Work {
  return {
    kind: 'sweep',
    next(now) {
      const idle = parts.settings().limits.uploadIdleSeconds * 1000;
      return now + Math.min(APART.most, Math.max(APART.least, idle / 4));
    },
    run: (pass) => sweepOnce(parts, pass),
  };
}

async function sweepOnce(parts: JobParts, { signal }: Pass): Promise<Outcome> {
  const { log, now, settings } = parts;
  const dropped = await sweepAbandonedUploads(parts, now() - settings().limits.uploadIdleSeconds * 1000, signal);
  if (dropped > 0) log.info({ dropped }, 'dropped uploads that saw no byte for limits.uploadIdleSeconds');
  const { removed, more, foreign } = await sweepOrphans(parts, signal);
  if (removed > 0) log.info({ orphans: removed }, 'found bytes that nothing names; reclaim removes them');
  if (foreign > 0) log.warn({ blobs: foreign }, foreignBytes);
  return more ? { runAt: now() } : {};
}

const foreignBytes =
  'the storage holds bytes that are older than the metadata and that it does not know: was the database lost? They are left alone; `ne-registry admin restore` names them again';
