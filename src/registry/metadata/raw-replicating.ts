import type { Digest } from '../../domain/oci/digest.ts';
import type { CopyRow, TagRecord } from './replicating.ts';
import type { Millis } from './store.ts';

/** A tag or a tombstone as SQL gives it: NULL for what it does not have. */
export interface RawTagRecord {
  readonly tag: string;
  readonly digest: Digest;
  readonly mediaType: string | null;
  readonly version: number;
  readonly origin: string | null;
  readonly changedAt: Millis;
  readonly pushedAt: Millis | null;
  readonly deleted: 'deleted' | 'expired' | null;
}

export function tagRecordOf({ mediaType, origin, pushedAt, deleted, ...rest }: RawTagRecord): TagRecord {
  return {
    ...rest,
    ...(mediaType !== null && { mediaType }),
    ...(origin !== null && { origin }),
    ...(pushedAt !== null && { pushedAt }),
    ...(deleted !== null && { deleted }),
  };
}

/** A row of `copies` as SQL gives it. */
export interface RawCopy extends Omit<CopyRow, 'referrers' | 'missingSince'> {
  readonly referrers: string | null;
  readonly missingSince: Millis | null;
}

export function copyOf({ referrers, missingSince, ...rest }: RawCopy): CopyRow {
  return { ...rest, ...(referrers !== null && { referrers }), ...(missingSince !== null && { missingSince }) };
}
