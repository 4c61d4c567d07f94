import { createHash } from 'node:crypto';
import type { Digest } from '../../../domain/oci/digest.ts';
import { readManifest } from '../../../domain/oci/manifest.ts';
import { isIndex } from '../../../domain/oci/media-types.ts';
import type { MetadataStore } from '../../metadata/store.ts';

/** What is remembered while many images are looked at. */
export interface OwnReferrers {
  /** Children of indexes, by digest: the bytes of a digest never change. */
  readonly children: Map<Digest, readonly Digest[]>;
}

type Metadata = Pick<MetadataStore, 'manifest' | 'manifestBytes' | 'referrers'>;

const page = 1000;
const deepest = 8;
const most = 10_000;
const remembered = 5_000;

export interface OwnImageName {
  readonly repository: string;
  readonly digest: Digest;
  /** Where it is known. */
  readonly mediaType?: string | undefined;
}

/**
 * Everything that refers to an image or to a part of it, hashed: two registries, or two moments, with the same hash have the
 * same signatures. Empty where nothing does.
 */
export async function referrersOf(metadata: Metadata, known: OwnReferrers, image: OwnImageName): Promise<string> {
  const { repository, digest } = image;
  const found = new Set<Digest>();
  let subjects: Digest[] = [digest, ...(await childrenOf(metadata, known, image))];
  for (let depth = 0; depth < deepest && subjects.length > 0 && found.size < most; depth++) {
    const next: Digest[] = [];
    for (const subject of subjects) {
      for (const referrer of await listOf(metadata, repository, subject)) {
        if (found.has(referrer)) continue;
        found.add(referrer);
        next.push(referrer);
      }
    }
    subjects = next;
  }
  return hashOf(found);
}

/** The same set, the same hash. */
export function hashOf(digests: Iterable<Digest>): string {
  const sorted = [...digests].sort();
  return sorted.length === 0 ? '' : createHash('sha256').update(sorted.join('\n')).digest('base64url').slice(0, 22);
}

async function listOf(metadata: Metadata, repository: string, subject: Digest): Promise<Digest[]> {
  const found: Digest[] = [];
  for (let last: string | undefined; ; ) {
    const rows = await metadata.referrers(repository, subject, { limit: page, ...(last !== undefined && { last }) });
    for (const row of rows) found.push(row.digest);
    last = rows.at(-1)?.digest;
    if (rows.length < page) return found;
  }
}

async function childrenOf(
  metadata: Metadata,
  { children }: OwnReferrers,
  { repository, digest, mediaType }: OwnImageName,
): Promise<readonly Digest[]> {
  if (mediaType !== undefined && !isIndex(mediaType)) return [];
  const known = children.get(digest);
  if (known !== undefined) return known;
  const row = await metadata.manifest(repository, { digest });
  if (row === undefined || !isIndex(row.mediaType)) return [];
  const manifest = await metadata.manifestBytes(repository, { digest });
  const found =
    manifest === undefined ? [] : readManifest(manifest.bytes, row.mediaType).children.map((child) => child.digest);
  const [oldest] = children.keys();
  if (children.size >= remembered && oldest !== undefined) children.delete(oldest);
  children.set(digest, found);
  return found;
}
