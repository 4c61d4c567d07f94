/** The list of tags for other registries of this project: with digests, versions and tombstones, in place of a request for each tag. */
import type { Digest } from '../../domain/oci/digest.ts';
import type { TagRecord } from '../metadata/replicating.ts';
import { referrersOf } from '../replication/own/referrers.ts';
import { peerTags } from '../replication/peer-list.ts';
import type { Rooms } from './api.ts';
import { type Exchange, replyJson } from './exchange.ts';
import { pageQuery, tagQueries } from './query.ts';

/** Entries in a page: each may take some look-ups. */
const largestPage = 1000;

/**
 * `GET /v2/<name>/tags/list` with that `Accept`. `tag` (several times) asks for those alone; `referrers=true` for a hash of what
 * refers to each image as well.
 */
export async function listPeerTags(rooms: Rooms, exchange: Exchange, repository: string): Promise<void> {
  const { metadata } = rooms;
  const { query } = exchange;
  const asked = tagQueries(query);
  const { last, n = largestPage } = pageQuery(query);
  const limit = Math.min(n, largestPage);
  const found =
    asked.length > 0
      ? await some(rooms, repository, asked)
      : await metadata.tagRecords(repository, { limit: limit + 1, ...(last !== undefined && { last }) });
  const records = asked.length > 0 ? found : found.slice(0, limit);
  const registry = await metadata.identity();
  const images = query.get('referrers') === 'true' ? records.filter(({ deleted }) => deleted === undefined) : [];
  const hashes = await referrersOf(metadata, { children: new Map() }, { repository, images });
  const tags = records.map((record) => {
    const referrers = record.deleted === undefined ? hashes.get(record.digest) : undefined;
    return { ...shown(record, registry), ...(referrers !== undefined && { referrers }) };
  });
  const flows = await rooms.peers?.flows(repository);
  const more = found.length > records.length && records.length > 0;
  const next = `</v2/${repository}/tags/list?n=${limit}&last=${encodeURIComponent(records.at(-1)?.tag ?? '')}${query.get('referrers') === 'true' ? '&referrers=true' : ''}>; rel="next"`;
  replyJson(
    exchange,
    { name: repository, registry, tags, ...(flows && { flows }) },
    { type: peerTags, headers: more ? { link: next } : {} },
  );
}

async function some({ metadata }: Rooms, repository: string, tags: readonly string[]): Promise<TagRecord[]> {
  const found: TagRecord[] = [];
  for (const tag of tags) {
    const record = await metadata.tagRecord(repository, tag);
    if (record !== undefined) found.push(record);
  }
  return found;
}

interface ShownTag {
  readonly tag: string;
  readonly digest: Digest;
  readonly mediaType?: string;
  readonly version: number;
  readonly origin: string;
  /** RFC 3339. */
  readonly changedAt: string;
  readonly pushedAt?: string;
  readonly deleted?: 'deleted' | 'expired';
}

function shown({ changedAt, pushedAt, origin, ...record }: TagRecord, registry: string): ShownTag {
  return {
    ...record,
    origin: origin ?? registry,
    changedAt: new Date(changedAt).toISOString(),
    ...(pushedAt !== undefined && { pushedAt: new Date(pushedAt).toISOString() }),
  };
}
