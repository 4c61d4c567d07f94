import type { Digest } from '../../domain/oci/digest.ts';
import type { Actor, Awaitable, Millis } from './store.ts';

/** What replication needs of the store beside reading and writing images. */
export interface Replicating {
  /**
   * Deletes a tag because it was deleted on another registry, where that is newer than what the tag is here; leaves a tombstone
   * with the very version and origin.
   */
  deleteReplicatedTag(deletion: ReplicatedDeletion): Promise<ReplicatedDeletionResult>;
  /** Tags with what they point at, and tombstones, in the order of their names after `last`, at most `limit`. */
  tagRecords(repository: string, page: { last?: string; limit: number }): Awaitable<TagRecord[]>;
  /** What refers to any of these images, each with which it refers to, in no order; at most `limit` (where so many come, there may be more). */
  referrerPairs(repository: string, subjects: readonly Digest[], limit: number): Awaitable<ReferrerPair[]>;
  tagRecord(repository: string, tag: string): Awaitable<TagRecord | undefined>;
  /** What is known of the tags at a rule's target, in the order of (repository, tag) after `last`. */
  copies(rule: string, target: string, page: { last?: CopyKey; limit: number }): Awaitable<CopyRow[]>;
  /** The same of single tags: those of `keys` of which something is known. */
  copiesOf(rule: string, target: string, keys: readonly CopyKey[]): Awaitable<CopyRow[]>;
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

export interface ReferrerPair {
  readonly subject: Digest;
  readonly digest: Digest;
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
 * A change that was made on another registry. It is applied only where it is newer than what the tag is here, its tombstone
 * included (`domain/replication/version.ts`); else the outcome is `conflict` and nothing is written. Where a tag points at the digest already it
 * only takes the larger of the two versions over, which is no change of the tag: the feed says `tag-version`, and no `tag-set`.
 */
export interface Replicated {
  readonly version: number;
  /** Identity of the registry where the change was made. */
  readonly origin: string;
}

export interface ReplicatedDeletion {
  readonly repository: string;
  readonly tag: string;
  readonly replicated: Replicated;
  /** What the tag pointed at there: for a tombstone where nothing is known of the tag here, so that it does not come later. */
  readonly digest?: Digest;
  readonly by: Actor;
}

export type ReplicatedDeletionResult =
  /** It was here, and is gone. */
  | 'deleted'
  /** There was no tag; its tombstone says so with this version from now on. */
  | 'noted'
  /** There was no tag, and its tombstone is as new. Nothing was written. */
  | 'unchanged'
  /** The tag has a newer state here. Nothing was written. */
  | 'conflict'
  /** Nobody ever set this tag, and no digest was given to remember. Nothing was written. */
  | 'unknown';
