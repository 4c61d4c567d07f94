import { createHash } from 'node:crypto';
import type { Digest } from '../../../domain/oci/digest.ts';
import { readManifest } from '../../../domain/oci/manifest.ts';
import { isIndex } from '../../../domain/oci/media-types.ts';
import type { ReferrerPair } from '../../metadata/replicating.ts';
import type { MetadataStore } from '../../metadata/store.ts';

/** What is remembered while many images are looked at. */
export interface OwnReferrers {
  /** Children of indexes, by digest: the bytes of a digest never change. */
  readonly children: Map<Digest, readonly Digest[]>;
}

type Metadata = Pick<MetadataStore, 'manifest' | 'manifestBytes' | 'referrers' | 'referrerPairs'>;

const page = 1000;
const deepest = 8;
const most = 10_000;
/** In one answer. */
const mostPairs = 10_000;
const remembered = 5_000;

export interface OwnImage {
  readonly digest: Digest;
  /** Where it is known. */
  readonly mediaType?: string | undefined;
}

/**
 * Everything that refers to each of some images or to a part of it, hashed: two registries, or two moments, with the same hash have
 * the same signatures. Empty where nothing does. Asked for all images at once, level by level: a repository without signatures
 * costs one question for a thousand of them.
 */
export async function referrersOf(
  metadata: Metadata,
  known: OwnReferrers,
  { repository, images }: { readonly repository: string; readonly images: Iterable<OwnImage> },
): Promise<ReadonlyMap<Digest, string>> {
  const parts = new Map<Digest, readonly Digest[]>();
  for (const { digest, mediaType } of images) {
    if (!parts.has(digest)) parts.set(digest, await childrenOf(metadata, known, { repository, digest, mediaType }));
  }
  const graph = await graphOf(metadata, repository, new Set([...parts].flatMap(([digest, more]) => [digest, ...more])));
  const hashes = new Map<Digest, string>();
  for (const [digest, more] of parts)
    hashes.set(digest, graph.size === 0 ? '' : hashOf(reached(graph, [digest, ...more])));
  return hashes;
}

/** What refers to each digest, and to that, and so on; without those that nothing refers to. */
async function graphOf(
  metadata: Metadata,
  repository: string,
  first: ReadonlySet<Digest>,
): Promise<Map<Digest, Digest[]>> {
  const graph = new Map<Digest, Digest[]>();
  const asked = new Set<Digest>();
  let subjects = first;
  for (let depth = 0; depth < deepest && subjects.size > 0; depth++) {
    const next = new Set<Digest>();
    const list = [...subjects];
    for (let at = 0; at < list.length; at += page) {
      for (const { subject, digest } of await pairsOf(metadata, repository, list.slice(at, at + page))) {
        const known = graph.get(subject);
        if (known === undefined) graph.set(subject, [digest]);
        else known.push(digest);
        next.add(digest);
      }
    }
    for (const subject of subjects) asked.add(subject);
    subjects = new Set([...next].filter((digest) => !asked.has(digest)));
  }
  return graph;
}

/** Where there are more than come in one answer, the questions get smaller. */
async function pairsOf(metadata: Metadata, repository: string, subjects: readonly Digest[]): Promise<ReferrerPair[]> {
  const [only] = subjects;
  if (only === undefined) return [];
  if (subjects.length === 1)
    return (await listOf(metadata, repository, only)).map((digest) => ({ subject: only, digest }));
  const pairs = await metadata.referrerPairs(repository, subjects, mostPairs);
  if (pairs.length < mostPairs) return pairs;
  const half = Math.ceil(subjects.length / 2);
  const one = await pairsOf(metadata, repository, subjects.slice(0, half));
  return [...one, ...(await pairsOf(metadata, repository, subjects.slice(half)))];
}

function reached(graph: ReadonlyMap<Digest, readonly Digest[]>, from: readonly Digest[]): Set<Digest> {
  const found = new Set<Digest>();
  let subjects = from;
  for (let depth = 0; depth < deepest && subjects.length > 0 && found.size < most; depth++) {
    const next: Digest[] = [];
    for (const referrer of subjects.flatMap((subject) => graph.get(subject) ?? [])) {
      if (found.has(referrer)) continue;
      found.add(referrer);
      next.push(referrer);
    }
    subjects = next;
  }
  return found;
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
  { repository, digest, mediaType }: OwnImage & { readonly repository: string },
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
