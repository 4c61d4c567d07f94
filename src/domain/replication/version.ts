/** A tag's place in its history: registries that copy from each other settle what is newer by it, all alike. */
export interface Version {
  readonly version: number;
  /** Identity of the registry where the change was made. */
  readonly origin: string;
}

/** Larger version first, then larger origin (by code units): a total order, so that every registry settles alike. */
export function isNewer(one: Version, other: Version): boolean {
  return one.version === other.version ? one.origin > other.origin : one.version > other.version;
}

/** The version of a record, where it has one. */
export function versionOf(record: { version?: number; origin?: string }): Version | undefined {
  const { version, origin } = record;
  return version === undefined || origin === undefined ? undefined : { version, origin };
}
