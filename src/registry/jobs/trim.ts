import { inBatches } from './pause.ts';
import type { JobParts, Outcome, Pass, Work } from './work.ts';

const DAY = 24 * 3_600_000;
/** For how long the feed of changes is kept, milliseconds. */
const KEPT = 30 * DAY;
/** For how long it is known that a tag was deleted: so long another registry may be away without bringing it back. */
const BURIED = 90 * DAY;
/** Passes are this far apart, milliseconds. */
const APART = DAY / 4;
/** Rows of one transaction. */
const BATCH = 500;

/** Forgets changes and tombstones that are old and that everybody who follows has read. */
export function trimWork(parts: JobParts): Work {
  return { kind: 'trim', next: (now) => now + APART, run: (pass) => trimOnce(parts, pass) };
}

async function trimOnce(
  { metadata, now, log, followed = () => Number.MAX_SAFE_INTEGER }: JobParts,
  { signal }: Pass,
): Promise<Outcome> {
  const upTo = await followed();
  // Short of the limit means that what is left is young: each batch looks at the oldest rows alone.
  const trimmed = await inBatches(BATCH, signal, () =>
    metadata.trimHistory({ before: now() - KEPT, buriedBefore: now() - BURIED, upTo, limit: BATCH }),
  );
  if (trimmed > 0) log.info({ trimmed }, 'forgot changes of more than 30 days ago');
  return {};
}
