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

/** Versions up to here are believed of any name: a push a second takes thirty thousand years to come so far. */
const believed = 1e12;
/** So far past what is known of a name another registry may be, where it is past what is believed of any. */
const ahead = 1e6;

/**
 * Whether another registry may give a name this version. The largest number there is would leave no room for the next change, and
 * end the replication of that tag everywhere; so one request brings nobody near it.
 * @param known the version that the name has here; 0 where it has none
 */
export function isWithinReach(version: number, known: number): boolean {
  return version <= Math.max(believed, known) + ahead;
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
