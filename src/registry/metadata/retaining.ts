import type { Digest } from '../../domain/oci/digest.ts';
import type { Actor, Awaitable, EdgeKind, Millis } from './store.ts';

/** What retention needs: the images of a repository, what clusters use, expiry that can be taken back. */
export interface Retaining {
  /**
   * Every manifest of a repository, in batches of a few thousand, as of about one moment; order is the store's own. Serving goes
   * on meanwhile. Readers that stop early must `return()` the iterator.
   */
  images(repository: string): AsyncIterable<readonly ImageRow[]>;
  /** The same of some digests: for those that are to go, again, right before they go. Unknown ones are left out. */
  imagesOf(repository: string, digests: readonly Digest[]): Awaitable<ImageRow[]>;

  /**
   * Expires images: each goes to the trash with its bytes, edges and tags, and its blobs stay until it leaves the trash. An image
   * stays where it is not as `seen` any more (a tag came, went or moved here or away, it was pulled later, it is gone), and where
   * a manifest that does not go with this batch names it as its child. What belongs together in a batch stays together: with an
   * image that is not as seen the index that holds it, and with an image that stays its children and referrers. Leaves tombstones
   * (`expired`) and change rows as a deletion does. One transaction, so that a batch of some hundred is large enough.
   * `in-use-changed`: some cluster reported images since `inUseRevision` that it did not report before; nothing was written.
   */
  expire(batch: Expiry): Promise<ExpiryResult>;

  /** What is in the trash, by (expiredAt, digest) after `last`, at most `limit`; of one repository where given. */
  trash(page: { repository?: string; last?: TrashPosition; limit: number }): Awaitable<TrashRow[]>;
  /**
   * What these names mean in the trash, by (expiredAt, repository, digest): digests of manifests or of their configs, in whatever
   * repository, and tags. A tag may have belonged to several; who was it last comes last.
   */
  inTrash(names: TrashNames): Awaitable<TrashRow[]>;
  /**
   * Puts images back, with exact bytes, push and pull times, and those of their tags that nobody has set meanwhile. Those that
   * they need out of the trash (children, and the referrers that went with them) come along. Unknown ones are left out.
   * @returns what came back
   */
  restore(what: { repository: string; digests: readonly Digest[]; by: Actor }): Promise<RestoredImage[]>;
  /** Ends the stay of what is past its `until`, at most `limit`: its blobs go to the review queue. @returns how many */
  emptyTrash(now: Millis, limit: number): Promise<number>;

  /** Takes a cluster's report in place of the one before. Revision grows where it names something that that one did not. */
  putInventory(report: InventoryRow): Promise<{ revision: number }>;
  /** All reports, with the revision that they are of. */
  inventories(): Awaitable<{ revision: number; reports: InventoryRow[] }>;
  /** Who has reported and when, without what is in the reports, which is much. */
  reporters(): Awaitable<{ revision: number; reports: Reporter[] }>;
  /** The report of one cluster. */
  inventory(cluster: string): Awaitable<InventoryRow | undefined>;
  /** Forgets clusters that are not listed. */
  keepInventories(clusters: readonly string[]): Promise<void>;
}

/** An image as retention sees it. */
export interface ImageRow {
  readonly digest: Digest;
  readonly tags: readonly string[];
  readonly mediaType: string;
  readonly pushedAt: Millis;
  /** Hours since the epoch. */
  readonly pulledHour?: number;
  /** Bytes of the manifest, its config and its layers, what it shares with others included; of an index the manifest alone. */
  readonly contentSize: number;
  readonly children?: readonly Digest[];
  readonly subject?: Digest;
  readonly config?: Digest;
}

export interface Expiry {
  readonly repository: string;
  readonly images: readonly { digest: Digest; tags: readonly string[]; pulledHour?: number }[];
  readonly by: Actor;
  /** Name of the policy, and rule: for people who look into the trash. */
  readonly policy: string;
  /** How long it can be restored. */
  readonly until: Millis;
  readonly inUseRevision: number;
}

export type ExpiryResult =
  | { readonly outcome: 'done'; readonly expired: readonly Digest[]; readonly changed: readonly Digest[] }
  | { readonly outcome: 'in-use-changed' };

export interface TrashPosition {
  readonly expiredAt: Millis;
  readonly repository: string;
  readonly digest: Digest;
}

export interface TrashNames {
  readonly digests?: readonly Digest[];
  readonly tags?: readonly { readonly repository: string; readonly tag: string }[];
}

export interface TrashRow {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly tags: readonly string[];
  readonly contentSize: number;
  readonly expiredAt: Millis;
  readonly until: Millis;
  readonly policy: string;
  readonly edges?: readonly { kind: EdgeKind; digest: Digest }[];
}

export interface RestoredImage {
  readonly digest: Digest;
  readonly tags: readonly string[];
  /** Tags that somebody has set or deleted since: they stay as they are now. */
  readonly tagsTaken: readonly string[];
}

export interface Reporter {
  readonly cluster: string;
  /** By the clock of the cluster. */
  readonly reportedAt: Millis;
  /** By the clock of this registry, which alone decides what is stale. */
  readonly receivedAt: Millis;
}

/** What one cluster runs. */
export interface InventoryRow extends Reporter {
  /** JSON: what is used, and by whom (`domain/retention/inventory.ts`). */
  readonly document: string;
  /** What the document names, each once, for telling whether a report names anything new. */
  readonly names: readonly string[];
}
