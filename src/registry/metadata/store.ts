import type { Digest } from '../../domain/oci/digest.ts';
import type { JobQueue } from './job-queue.ts';
import type { Reclaiming } from './reclaiming.ts';
import type { Recovery } from './recovery.ts';
import type { Replicated, Replicating } from './replicating.ts';
import type { Retaining } from './retaining.ts';
import type { RuleKind, Rules } from './rules.ts';

/** Reads of the embedded store answer at once; a remote one answers later. `await` takes both. */
export type Awaitable<T> = T | Promise<T>;

/** Milliseconds since the epoch. Passed in by the caller: the store has no clock. */
export type Millis = number;

/**
 * The only truth: which manifests, tags, blobs and uploads exist, and in which repository. Reads never block on writes.
 * Every write is durable (committed and synced) when its promise resolves, and is atomic: it happened whole or not at all.
 * Errors: StoreError (`kind`: full | io | corrupt | busy | closed) with a message that says what to do.
 */
export interface MetadataStore extends Reclaiming, JobQueue, Recovery, Replicating, Retaining, Rules {
  // ---- reads
  /** A manifest by tag or digest, without its bytes. */
  manifest(repository: string, reference: Reference): Awaitable<ManifestRow | undefined>;
  /** The same with the exact bytes that were pushed. */
  manifestBytes(repository: string, reference: Reference): Awaitable<ManifestWithBytes | undefined>;
  /** A blob as far as it is visible in the repository. */
  blob(repository: string, digest: Digest): Awaitable<BlobRow | undefined>;
  /** Repositories in which a blob is visible, at most `limit`, in name order: for a mount without `from`. */
  repositoriesWithBlob(digest: Digest, limit: number): Awaitable<string[]>;
  repositoryExists(repository: string): Awaitable<boolean>;
  /** Tags in ASCII order after `last` (which need not exist), at most `limit`. */
  tags(repository: string, page: Page): Awaitable<string[]>;
  /** Names of repositories that hold a manifest, in ASCII order after `last`, at most `limit`. */
  repositories(page: Page): Awaitable<string[]>;
  /** Manifests whose subject is `digest`, in digest order after `last`, at most `limit`, of one artifact type where given. */
  referrers(repository: string, digest: Digest, page: Page & { artifactType?: string }): Awaitable<ReferrerRow[]>;
  upload(id: string): Awaitable<UploadRow | undefined>;
  /** Uploads that began before `before`, at most `limit`. */
  staleUploads(before: Millis, limit: number): Awaitable<UploadRow[]>;
  /** The change feed after sequence number `after`, at most `limit`. */
  changes(after: number, limit: number): Awaitable<ChangeRow[]>;
  statistics(): Awaitable<Statistics>;
  /** Every blob row in key order after `last`, at most `limit`: for check and scrub. */
  blobs(page: { last?: Digest; limit: number }): Awaitable<BlobRow[]>;
  /** Every manifest row with bytes, after (repository, digest): for check. */
  manifests(page: {
    last?: { repository: string; digest: Digest };
    limit: number;
  }): Awaitable<(ManifestRow & { repository: string; bytes: Uint8Array })[]>;

  // ---- writes
  createUpload(row: UploadRow): Promise<void>;
  deleteUpload(id: string): Promise<void>;
  /**
   * Names finished bytes: blob row, visibility in the repository, lease, end of the upload, in one transaction. They replace
   * those that the digest had before, whose key becomes a removal. `unknown-upload` where the upload was given up meanwhile:
   * nothing is written then, and the bytes are an orphan.
   */
  addBlob(blob: NewBlob): Promise<'named' | 'unknown-upload'>;
  /**
   * Makes this process the one that writes to an upload, until `until`; false where another one is. Holding it again renews.
   * Only asked where the blob store is shared by replicas.
   */
  holdUpload(hold: { id: string; holder: string; now: Millis; until: Millis }): Promise<boolean>;
  releaseUpload(hold: { id: string; holder: string }): Promise<void>;
  /** Makes a blob that is visible in `from` visible in `repository`. False where it is not (any more). */
  mountBlob(mount: { repository: string; from: string; digest: Digest; now: Millis }): Promise<boolean>;
  /**
   * Keeps blobs that somebody asked for from being reclaimed for the grace time, where they wait in the review queue. Coarse:
   * at most one write for each blob in five seconds. False where one of them is gone, so that the answer must be "unknown".
   */
  renewLease(digests: readonly Digest[], now: Millis): Promise<boolean>;
  /** Hides a blob in one repository. `referenced` where a living manifest there still needs it (nothing changed then). */
  deleteBlob(repository: string, digest: Digest, now: Millis): Promise<'deleted' | 'unknown' | 'referenced'>;
  /** Takes damaged bytes out of service so that HEAD says 404 and a push heals; only while the row still names `key`. */
  quarantineBlob(digest: Digest, key: string, why: string, now: Millis): Promise<void>;
  putManifest(manifest: NewManifest): Promise<PutManifestResult>;
  /** Removes the tag alone; leaves a tombstone and a change row. False where there is none. */
  deleteTag(repository: string, tag: string, by: Actor): Promise<boolean>;
  /** Removes the manifest in this repository with all its tags. False where there is none. */
  deleteManifest(repository: string, digest: Digest, by: Actor): Promise<boolean>;
  /** Records when manifests were pulled, by the hour. */
  notePulls(pulls: readonly { repository: string; digest: Digest; hour: number }[]): Promise<void>;

  close(): Promise<void>;
}

export type Reference = { tag: string } | { digest: Digest };

export interface Page {
  last?: string;
  limit: number;
}

export interface ManifestRow {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  readonly subject?: Digest;
  readonly pushedAt: Millis;
}

export interface ManifestWithBytes extends ManifestRow {
  readonly bytes: Uint8Array;
  /** Nobody else holds these bytes: the caller may free their memory once they are sent. */
  readonly exclusive?: boolean;
}

export interface ReferrerRow {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Record<string, string>;
}

export interface BlobRow {
  readonly digest: Digest;
  readonly size: number;
  readonly key: string;
}

export interface UploadRow {
  readonly id: string;
  readonly repository: string;
  /** Name of the identity that began it: nobody else may touch it. */
  readonly owner: string;
  readonly startedAt: Millis;
}

export interface NewBlob {
  readonly repository: string;
  readonly digest: Digest;
  readonly size: number;
  readonly key: string;
  readonly uploadId: string;
  readonly now: Millis;
}

/** Who did it, when, and where the change came from (this registry, or the replication rule that brought it). */
export interface Actor {
  readonly name: string;
  readonly now: Millis;
  readonly origin?: string;
}

export type EdgeKind = 'config' | 'layer' | 'child' | 'subject';

/** One reference of a manifest. `required`: the push is refused while the target is not in the repository. */
export interface NewEdge {
  readonly kind: EdgeKind;
  readonly digest: Digest;
  readonly required: boolean;
}

export interface NewManifest {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** The bytes are the store's from now on: it may move or free their memory. */
  readonly ownsBytes?: boolean;
  readonly edges: readonly NewEdge[];
  /** Bytes of the manifest, its config and its layers, as it says. Without it the store adds up the blobs that it knows. */
  readonly contentSize?: number;
  readonly subject?: Digest;
  readonly artifactType?: string;
  readonly annotations?: Record<string, string>;
  /** Tags to point here, created or moved. Empty for a push by digest. */
  readonly tags: readonly string[];
  /** The change was made on another registry: `conflict` for a tag that has a newer state here. Not with `tags` empty. */
  readonly replicated?: Replicated;
  readonly by: Actor;
  readonly conditions?: {
    /** Refuse where a tag is there and may not be moved; decided inside the commit. */
    readonly createOnly?: boolean;
    /** Each tag must now point at this digest (`If-Match`). */
    readonly ifMatch?: Digest;
    /** No tag may exist (`If-None-Match: *`). */
    readonly ifNoneMatch?: boolean;
  };
}

export type PutManifestResult =
  | { readonly outcome: 'stored'; readonly created: boolean }
  /** Required targets that are not in the repository. Nothing was written. */
  | { readonly outcome: 'missing'; readonly digests: Digest[] }
  /** A condition did not hold for this tag, which now points at `current`. Nothing was written. */
  | { readonly outcome: 'conflict'; readonly tag: string; readonly current?: Digest };

export type ChangeKind =
  | 'manifest-put'
  | 'manifest-deleted'
  | 'tag-set'
  | 'tag-deleted'
  /** A tag, or a tombstone, took over the version that another registry gave it, and is otherwise as it was. Says no digest. */
  | 'tag-version'
  | 'blob-deleted'
  /** Of no repository: `repository` is empty. */
  | 'rule-put'
  | 'rule-deleted';

export interface ChangeRow {
  readonly sequence: number;
  readonly at: Millis;
  readonly kind: ChangeKind;
  readonly repository: string;
  readonly digest?: Digest;
  readonly tag?: string;
  readonly actor: string;
  /** Where the change was made: another registry's identity. Absent for one that was made here. */
  readonly origin?: string;
  /** Of a change of a tag: its version from then on. */
  readonly version?: number;
  /** Identity of the registry that gave it this version; this one unless given. */
  readonly tagOrigin?: string;
  /** What kind of tombstone a tag left that was deleted. */
  readonly tombstone?: 'deleted' | 'expired';
  /** Kind and name of the rule that changed. */
  readonly rule?: `${RuleKind}/${string}`;
}

export interface Statistics {
  readonly repositories: number;
  readonly manifests: number;
  readonly tags: number;
  readonly blobs: number;
  /** Bytes of blobs that are named, each counted once. */
  readonly blobBytes: number;
  /** Bytes of blobs in the review queue: what reclaim may free. */
  readonly reclaimableBytes: number;
}

export type StoreFault = 'full' | 'io' | 'corrupt' | 'busy' | 'closed';

/** The store itself failed; the request may be tried again where `kind` is full, io or busy. */
export class StoreError extends Error {
  readonly kind: StoreFault;
  constructor(kind: StoreFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.kind = kind;
  }
}
