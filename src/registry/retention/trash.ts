import type { Digest } from '../../domain/oci/digest.ts';
import { readName } from '../../domain/retention/used-names.ts';
import { inBatches, pause } from '../jobs/pause.ts';
import type { Reporter, RestoredImage, TrashRow } from '../metadata/retaining.ts';
import type { RetentionParts } from './parts.ts';

/** Rows of one transaction, and names looked up at once. */
const BATCH = 200;
const BREATH = 20;

/** An image that a cluster turned out to use. */
export interface Rescued extends RestoredImage {
  readonly repository: string;
  readonly policy: string;
}

type TrashParts = Pick<RetentionParts, 'metadata' | 'log' | 'now'>;

/**
 * Puts back what clusters report to use: all that they name is looked for in the trash, where they name more than at `since`.
 * @returns what came back, and the revision of the reports
 */
export async function rescueInUse(
  parts: TrashParts,
  { filled, since, signal }: { filled: boolean; since: number | undefined; signal: AbortSignal },
): Promise<{ rescued: Rescued[]; revision: number | undefined }> {
  const { metadata } = parts;
  const rescued: Rescued[] = [];
  if (!filled) return { rescued, revision: undefined };
  // Nothing goes that was in use then: what expires is compared with the reports of the very moment.
  const { revision, reports } = await metadata.reporters();
  if (revision === since) return { rescued, revision };
  const names = await namesOf(parts, reports);
  for (let at = 0; at < names.length; at += BATCH) {
    const { digests, tags } = meant(names.slice(at, at + BATCH));
    for (const row of await metadata.inTrash({ digests })) rescued.push(...(await rescue(parts, row)));
    for (const row of await lastOfTags(parts, tags)) rescued.push(...(await rescue(parts, row)));
    await pause(BREATH, signal);
  }
  return { rescued, revision };
}

/** One report after the other: all of them together may be larger than memory. */
async function namesOf({ metadata }: TrashParts, reports: readonly Reporter[]): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const { cluster } of reports)
    for (const name of (await metadata.inventory(cluster))?.names ?? []) names.add(name);
  return [...names];
}

function meant(names: readonly string[]) {
  const digests: Digest[] = [];
  const tags: { repository: string; tag: string }[] = [];
  for (const name of names.map(readName)) {
    if ('digest' in name) digests.push(name.digest);
    else for (const repository of name.repositories) tags.push({ repository, tag: name.tag });
  }
  return { digests, tags };
}

/** A tag means what it points at; only where it is gone, what it pointed at last. */
async function lastOfTags({ metadata }: TrashParts, tags: readonly { repository: string; tag: string }[]) {
  const wanted = new Map(tags.map((tag) => [`${tag.repository}:${tag.tag}`, tag]));
  const last = new Map<string, TrashRow>();
  for (const row of await metadata.inTrash({ tags }))
    for (const tag of row.tags) if (wanted.has(`${row.repository}:${tag}`)) last.set(`${row.repository}:${tag}`, row);
  const rows = new Set<TrashRow>();
  for (const [key, row] of last) {
    const { repository, tag } = wanted.get(key) ?? { repository: row.repository, tag: '' };
    if ((await metadata.manifest(repository, { tag })) === undefined) rows.add(row);
  }
  return rows;
}

async function rescue(
  { metadata, log, now }: TrashParts,
  { repository, digest, policy }: TrashRow,
): Promise<Rescued[]> {
  const by = { name: 'retention/in-use', now: now() };
  const restored = await metadata.restore({ repository, digests: [digest], by });
  for (const image of restored)
    log.info({ policy, repository, ...image }, 'image restored: a cluster reports that it uses it');
  return restored.map((image) => ({ ...image, repository, policy }));
}

/** Lets go what is past its time. */
export async function emptyTrash({ metadata, log, now }: TrashParts, signal: AbortSignal): Promise<void> {
  const gone = await inBatches(BATCH, signal, () => metadata.emptyTrash(now(), BATCH));
  if (gone > 0) log.info({ images: gone }, 'let go of expired images whose time to be restored is over');
}
