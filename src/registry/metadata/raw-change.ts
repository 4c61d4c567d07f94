import type { Digest } from '../../domain/oci/digest.ts';
import type { ChangeKind, ChangeRow } from './store.ts';

/** A row of `changes` as SQL gives it: NULL for what a change does not have. */
export interface RawChange {
  sequence: number;
  at: number;
  kind: ChangeKind;
  repository: string;
  digest: Digest | null;
  tag: string | null;
  actor: string;
  origin: string | null;
  version: number | null;
  tag_origin: string | null;
  tombstone: 'deleted' | 'expired' | null;
  rule: NonNullable<ChangeRow['rule']> | null;
}

/** The change that a row says. */
export function changeOf(raw: RawChange): ChangeRow {
  const {
    sequence,
    at,
    kind,
    repository,
    digest,
    tag,
    actor,
    origin,
    version,
    tag_origin: tagOrigin,
    tombstone,
    rule,
  } = raw;
  return {
    sequence,
    at,
    kind,
    repository,
    ...(digest !== null && { digest }),
    ...(tag !== null && { tag }),
    actor,
    ...(origin !== null && { origin }),
    ...(version !== null && { version }),
    ...(tagOrigin !== null && { tagOrigin }),
    ...(tombstone !== null && { tombstone }),
    ...(rule !== null && { rule }),
  };
}
