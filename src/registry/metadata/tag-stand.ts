import type { Digest } from '../../domain/oci/digest.ts';

/**
 * What a tag is, or was last, as registries that copy from each other compare it: who has the larger stand has the newer state
 * (ADR 24). Retention's expiry is no change of the tag, so that a tag that expired stands as it stood.
 */
export interface TagStand {
  readonly version: number;
  /** Identity of the registry where the change was made. */
  readonly origin: string;
  /** Undefined where the tag was deleted. */
  readonly digest?: Digest | undefined;
}

/**
 * Whether `one` is newer: by version, then by origin (by code units). Both are equal for two different states only where a
 * registry was put back to an earlier moment and gave a version out again; an image counts more than none then, so that nothing
 * is lost, and the larger digest more than the other, so that all settle on the same.
 */
export function overtakes(one: TagStand, other: TagStand): boolean {
  if (one.version !== other.version) return one.version > other.version;
  if (one.origin !== other.origin) return one.origin > other.origin;
  return (one.digest ?? '') > (other.digest ?? '');
}
