import type { Digest } from '../../domain/oci/digest.ts';
import type { Awaitable, Millis } from './store.ts';

/**
 * Taking space back, as the metadata sees it. A blob that no manifest refers to waits in the review queue; it is condemned
 * when its grace time is over, and its row goes in a later transaction, only where still nothing refers to it. From then on
 * its key is a removal: bytes that nobody names, to be unlinked once no kept snapshot names them either.
 */
export interface Reclaiming {
  /**
   * Condemns blobs of the review queue that lost their last reference, and were last leased, at or before `before`.
   * @returns how many were condemned, at most `limit`
   */
  condemnBlobs(work: { before: Millis; now: Millis; limit: number }): Promise<number>;
  /**
   * Deletes rows of blobs that were condemned at or before `condemnedBefore`, that nothing refers to and nobody leased since
   * `before`; each key becomes a removal in the same transaction.
   */
  dropCondemned(work: { condemnedBefore: Millis; before: Millis; now: Millis; limit: number }): Promise<DroppedBlob[]>;
  /** Keys whose bytes may go now: not before their time, and not while a kept snapshot names them. */
  dueRemovals(now: Millis, limit: number): Awaitable<Removal[]>;
  /** The bytes of these keys are gone. */
  forgetRemovals(keys: readonly string[]): Promise<void>;
  /**
   * Which of these keys nothing accounts for: no blob, no removal, and no upload that may still be about to name them
   * (an upload ends in the transaction that names its bytes, so that there is no moment in between).
   */
  unaccounted(keys: readonly { key: string; uploadId: string }[]): Awaitable<string[]>;
  /**
   * Since when this database accounts for the bytes beside it: when it was made, or 0 once an import has filled it. Bytes that
   * are older are not its to judge: it may be new because the one that knew them was lost.
   */
  accountsSince(): Awaitable<Millis>;
  /** Makes keys that nothing accounts for removals, so that kept snapshots are respected. A key that a blob names is left out. */
  addRemovals(removals: readonly NewRemoval[]): Promise<void>;
  /** Blobs out of service, in digest order after `last`, at most `limit`. */
  quarantined(page: { last?: Digest; limit: number }): Awaitable<QuarantinedBlob[]>;
  /** Puts quarantined bytes that turned out to be right back into service; false where the row names another key by now. */
  releaseBlob(digest: Digest, key: string): Promise<boolean>;
  /**
   * Drops change rows older than `before`, and tombstones older than `buriedBefore` (`before` unless given), that everybody who
   * follows has read (`upTo`). Versions of a name whose tombstone is gone go on from there, never from 1 again.
   */
  trimHistory(work: TrimmedHistory): Promise<number>;
}

export interface TrimmedHistory {
  readonly before: Millis;
  readonly buriedBefore?: Millis;
  readonly upTo: number;
  /** Rows of each kind that are looked at. */
  readonly limit: number;
}

export interface DroppedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly key: string;
}

export interface Removal {
  readonly key: string;
  readonly size: number;
}

export interface NewRemoval extends Removal {
  /** When the bytes got their name; 0 where that is not known. */
  readonly createdAt: Millis;
  readonly now: Millis;
}

export interface QuarantinedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly key: string;
  readonly damage: string;
}
