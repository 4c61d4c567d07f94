/**
 * What a tag is, or was last, as registries that copy from each other compare it: all settle alike what is newer (ADR 24).
 * Retention's expiry is no change of the tag, so that a tag that expired stands as it stood.
 */
export interface Stand {
  readonly version: number;
  /** Identity of the registry where the change was made. */
  readonly origin: string;
  /** Undefined where the tag was deleted. */
  readonly digest?: string | undefined;
}

/**
 * Whether `one` is newer: by version, then by origin (by code units). Both are equal for two different states only where a
 * registry was put back to an earlier moment and gave a version out again; an image counts more than none then, so that nothing
 * is lost, and the larger digest more than the other, so that all settle on the same.
 */
export function isNewer(one: Stand, other: Stand): boolean {
  if (one.version !== other.version) return one.version > other.version;
  if (one.origin !== other.origin) return one.origin > other.origin;
  return (one.digest ?? '') > (other.digest ?? '');
}

/** The stand of a record, where it has a version. */
export function standOf(record: {
  readonly version?: number;
  readonly origin?: string;
  readonly digest: string;
  readonly deleted?: 'deleted' | 'expired';
}): Stand | undefined {
  const { version, origin, digest, deleted } = record;
  if (version === undefined || origin === undefined) return undefined;
  return { version, origin, digest: deleted === 'deleted' ? undefined : digest };
}
