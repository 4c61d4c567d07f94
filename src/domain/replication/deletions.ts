/** The guard that deletions pass through. */

export interface DeletionCandidate {
  readonly target: string;
  /** The source's names. */
  readonly repository: string;
  readonly tag: string;
}

export interface GuardedDeletions<T> {
  readonly allowed: readonly T[];
  /** More tags than `maxPerRun` were to go, so that none does. */
  readonly halted: number;
}

/** Lets all deletions of a run pass, or none where they are of more than `maxPerRun` tags; one at several targets is one. */
export function guardDeletions<T extends DeletionCandidate>(
  candidates: readonly T[],
  maxPerRun: number,
): GuardedDeletions<T> {
  const tags = new Set(candidates.map(({ repository, tag }) => `${repository}:${tag}`)).size;
  return tags > maxPerRun ? { allowed: [], halted: tags } : { allowed: candidates, halted: 0 };
}

/**
 * Whether a complete listing of a repository may be taken as proof that tags are gone: an empty one may not, where tags were
 * there before. Tombstones are listed, so that a registry that tells them can prove it.
 */
export function provesAbsence(listed: number): boolean {
  return listed > 0;
}
