import type { Digest } from '../../../domain/oci/digest.ts';

/** What restoring brought back, and exactly what it could not. */
export interface RestoreReport {
  /** What it began from; absent where there was nothing but the journal. */
  base?: { name: string; sequence: number; takenAt: string };
  /** Objects of the journal that were applied after it. */
  journalObjects: number;
  restored: { repositories: number; blobs: number; manifests: number; tags: number };
  lost: Losses;
}

export interface Losses {
  /** Files that could not be used, and why. */
  files: { name: string; problem: string }[];
  /** Changes that no file tells of: what was pushed or deleted then is not known. */
  changes: { first: number; last: number }[];
  /** Manifests of which the journal holds no bytes. */
  manifests: { repository: string; digest: Digest }[];
  /** Tags that point at a manifest that is not there. */
  tags: { repository: string; tag: string; digest: Digest }[];
  /** Blobs that were named and have no bytes in the store; a push heals each. */
  blobs: Digest[];
  /** Manifests that are back and cannot be pulled whole, because bytes of theirs are missing. */
  incomplete: { repository: string; digest: Digest; missing: Digest[] }[];
  /** Bytes that are there, but nothing proves that this repository may show them: push or mount them again. */
  hidden: { repository: string; digest: Digest }[];
}

/** Nothing restored and nothing lost, to be filled in. */
export function emptyReport(): RestoreReport {
  return {
    journalObjects: 0,
    restored: { repositories: 0, blobs: 0, manifests: 0, tags: 0 },
    lost: { files: [], changes: [], manifests: [], tags: [], blobs: [], incomplete: [], hidden: [] },
  };
}

/** Whether everything that was known of came back. */
export function isComplete({ lost }: RestoreReport): boolean {
  return Object.values(lost).every((list) => list.length === 0);
}
