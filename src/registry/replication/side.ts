import type { Digest } from '../../domain/oci/digest.ts';
import type { ImageSource, ImageTarget } from '../../transfer/image/image.ts';
import type { Replicated } from '../metadata/replicating.ts';

/** A registry as one end of a rule. What it cannot do it throws as a TransferError. */
export interface Side {
  readonly own: boolean;
  /** For messages. */
  readonly name: string;
  /** Of a registry of this project; null for one of another kind, undefined as long as it was not asked. */
  readonly identity: string | null | undefined;
  /** All that can be told; for patterns alone. */
  repositories(signal: AbortSignal): AsyncIterable<string>;
  /** Every tag of a repository; throws where the list is not complete. A repository that is not there has none. */
  list(repository: string, signal: AbortSignal): Promise<Listing>;
  /** Some tags; those that are not there are not in the listing. */
  look(repository: string, names: readonly string[], signal: AbortSignal): Promise<Listing>;
  image(repository: string): SideImage;
  /** False where it was not there, or has a newer state than the one that was deleted. */
  deleteTag(deletion: TagDeletion, signal: AbortSignal): Promise<boolean>;
}

export type SideImage = ImageSource & ImageTarget;

export interface Listing {
  readonly tags: ReadonlyMap<string, ListedTag>;
  /** Of a registry of this project. */
  readonly identity?: string | undefined;
  /** With which registries this repository is kept in step by rules there, as far as they are known. */
  readonly flows?: Flows;
  /** There is no such repository. */
  readonly absent?: boolean;
  /** All there is was asked for, and came. */
  readonly whole: boolean;
}

/** Identities; `?` stands for registries that are not known yet. */
export interface Flows {
  readonly to: readonly string[];
  readonly from: readonly string[];
}

/** A tag, as far as a listing tells of it. */
export interface ListedTag {
  readonly tag: string;
  /** Other registries list names alone. */
  readonly digest?: Digest;
  readonly version?: number;
  readonly origin?: string;
  readonly deleted?: 'deleted' | 'expired';
  readonly referrers?: string;
  /** Milliseconds since the epoch. */
  readonly changedAt?: number;
  readonly pushedAt?: number;
}

export interface TagDeletion {
  readonly repository: string;
  readonly tag: string;
  /** The state as which it was deleted at the other end: it counts only where it is newer. */
  readonly version?: Replicated;
  /** What the tag pointed at. */
  readonly digest: Digest;
}
