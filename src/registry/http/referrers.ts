import type { Digest } from '../../domain/oci/digest.ts';
import { mediaTypes } from '../../domain/oci/media-types.ts';
import type { Awaitable, ReferrerRow } from '../metadata/store.ts';
import type { Rooms } from './api.ts';
import { type Exchange, replyJson } from './exchange.ts';
import { artifactTypeQuery, pageQuery } from './query.ts';

const pageSize = 1000;
const rowsAtOnce = 64;
/** Clients take an index as a manifest, and those may be refused past 4 MiB: a page ends before. */
const pageBytes = 3 * 1024 * 1024;

/**
 * `GET /v2/<name>/referrers/<digest>` (distribution-spec v1.1 §"Listing Referrers"): an index of what has that subject,
 * empty where nothing has, whether or not the subject or even the repository is here.
 */
export async function listReferrers(
  { metadata, gate }: Rooms,
  exchange: Exchange,
  { repository, digest }: { repository: string; digest: Digest },
): Promise<void> {
  gate.authorize(exchange.identity, 'Pull', repository, exchange.caller);
  const artifactType = artifactTypeQuery(exchange.query);
  const { last } = pageQuery(exchange.query);
  const { manifests, more } = await readPage(
    { ...(last === undefined ? {} : { last }), ...(artifactType === undefined ? {} : { artifactType }) },
    (page) => metadata.referrers(repository, digest, page),
  );
  const headers: Record<string, string> = {};
  if (artifactType !== undefined) headers['oci-filters-applied'] = 'artifactType';
  if (more) {
    const filter = artifactType === undefined ? '' : `artifactType=${encodeURIComponent(artifactType)}&`;
    const from = encodeURIComponent(manifests.at(-1)?.digest ?? '');
    headers.link = `</v2/${repository}/referrers/${digest}?${filter}last=${from}>; rel="next"`;
  }
  const body = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
  replyJson(exchange, body, { type: mediaTypes.ociIndex, headers });
}

type Query = { last?: string; artifactType?: string };

/** Reads a few rows at a time, so that no more than a page is ever in memory. At least one entry: every page gets further. */
async function readPage(
  query: Query,
  read: (page: Query & { limit: number }) => Awaitable<ReferrerRow[]>,
): Promise<{ manifests: ReferrerRow[]; more: boolean }> {
  const manifests: ReferrerRow[] = [];
  let bytes = 0;
  for (let last = query.last; ; last = manifests.at(-1)?.digest) {
    const rows = await read({ ...query, ...(last === undefined ? {} : { last }), limit: rowsAtOnce });
    for (const row of rows) {
      bytes += JSON.stringify(row).length;
      if (manifests.length === pageSize || (manifests.length > 0 && bytes > pageBytes))
        return { manifests, more: true };
      manifests.push(row);
    }
    if (rows.length < rowsAtOnce) return { manifests, more: false };
  }
}
