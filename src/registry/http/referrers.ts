import type { Digest } from '../../domain/oci/digest.ts';
import { mediaTypes } from '../../domain/oci/media-types.ts';
import type { ReferrerRow } from '../metadata/store.ts';
import type { Rooms } from './api.ts';
import { type Exchange, replyJson } from './exchange.ts';
import { pageQuery } from './query.ts';

const pageSize = 1000;
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
  const artifactType = exchange.query.get('artifactType') || undefined;
  const { last } = pageQuery(exchange.query);
  const rows = await metadata.referrers(repository, digest, {
    limit: pageSize + 1,
    ...(last === undefined ? {} : { last }),
    ...(artifactType === undefined ? {} : { artifactType }),
  });
  const manifests = withinPage(rows);
  const headers: Record<string, string> = {};
  if (artifactType !== undefined) headers['oci-filters-applied'] = 'artifactType';
  if (manifests.length < rows.length) {
    const filter = artifactType === undefined ? '' : `artifactType=${encodeURIComponent(artifactType)}&`;
    const from = encodeURIComponent(manifests.at(-1)?.digest ?? '');
    headers.link = `</v2/${repository}/referrers/${digest}?${filter}last=${from}>; rel="next"`;
  }
  const body = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
  replyJson(exchange, body, { type: mediaTypes.ociIndex, headers });
}

/** At least one entry, so that every page gets further. */
function withinPage(rows: readonly ReferrerRow[]): ReferrerRow[] {
  const page: ReferrerRow[] = [];
  let bytes = 0;
  for (const row of rows.slice(0, pageSize)) {
    bytes += JSON.stringify(row).length;
    if (page.length > 0 && bytes > pageBytes) break;
    page.push(row);
  }
  return page;
}
