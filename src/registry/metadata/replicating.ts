import type { Digest } from '../../domain/oci/digest.ts';
import type { Awaitable, Millis } from './store.ts';

/** What replication needs of the store beside reading and writing images. */
export interface Replicating {
  /** Tags with what they point at, and tombstones, in the order of their names after `last`, at most `limit`. */
  tagRecords(repository: string, page: { last?: string; limit: number }): Awaitable<TagRecord[]>;
  tagRecord(repository: string, tag: string): Awaitable<TagRecord | undefined>;
  /** What is known of the tags at a rule's target, in the order of (repository, tag) after `last`. */
  copies(rule: string, target: string, page: { last?: CopyKey; limit: number }): Awaitable<CopyRow[]>;
  /** Writes and removes such rows, in one transaction. */
  putCopies(rule: string, target: string, rows: readonly CopyRow[], gone?: readonly CopyKey[]): Promise<void>;
  /** Forgets all rows of a rule, or of those of its targets that are not listed. In transactions of bounded size. */
  dropCopies(rule: string, keepTargets?: readonly string[]): Promise<void>;
}

/**
 * A tag's history in one row. `version` grows with each change; who has the larger (version, origin) has the newer state, on
 * every registry alike. A row with `deleted` is a tombstone.
 */
export interface TagRecord {
  readonly tag: string;
  readonly digest: Digest;
  readonly mediaType?: string;
  readonly version: number;
  /** Identity of the registry where the change was made; this one's own unless given. */
  readonly origin?: string;
  readonly changedAt: Millis;
  readonly pushedAt?: Millis;
  readonly deleted?: 'deleted' | 'expired';
}

export interface CopyKey {
  readonly repository: string;
  readonly tag: string;
}

/** The last copy of one tag to one target. `repository` is the source's name of it. */
export interface CopyRow extends CopyKey {
  /** What the source's tag pointed at when it was copied. */
  readonly digest: Digest;
  /** Digests of its referrers then, hashed: late signatures change it. */
  readonly referrers?: string;
  readonly copiedAt: Millis;
  /** Since when the source lacks the tag. */
  readonly missingSince?: Millis;
}

/**
 * A change that comes from another registry, in `NewManifest.replicated` and `Actor`: it is applied only where (version, origin)
 * is larger than what the tag has here, its tombstone included; else the outcome is `conflict` and nothing is written.
 */
export interface Replicated {
  readonly version: number;
  /** Identity of the registry where the change was made. */
  readonly origin: string;
}
