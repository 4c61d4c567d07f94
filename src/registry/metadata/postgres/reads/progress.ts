import { changeOf, type RawChange } from '../../raw-change.ts';
import type { ChangeRow, Millis, Statistics, UploadRow } from '../../store.ts';
import type { Database } from '../database.ts';
import { named } from '../names.ts';
import type { Statement } from '../session.ts';

const UPLOAD = 'SELECT id, repository, owner, started_at AS "startedAt" FROM uploads';
const oneUpload: Statement = { name: 'upload', text: `${UPLOAD} WHERE id = $1` };
const oldUploads: Statement = {
  name: 'stale_uploads',
  text: `${UPLOAD} WHERE started_at < $1 ORDER BY started_at, id LIMIT $2`,
};

export async function upload(database: Database, id: string): Promise<UploadRow | undefined> {
  return (await database.read<UploadRow>(oneUpload, [id]))[0];
}

export function staleUploads(database: Database, before: Millis, limit: number): Promise<UploadRow[]> {
  return database.read<UploadRow>(oldUploads, [before, limit]);
}

/** Changes that get their number in one go. */
const STAMPED_AT_ONCE = 10_000;
const pending: Statement = { name: 'pending_changes', text: 'SELECT 1 AS found FROM pending_changes LIMIT 1' };
const stamp: Statement = { name: 'stamp', text: named('SELECT fn.stamp($1) AS stamped') };
const feed: Statement = {
  name: 'changes',
  text: 'SELECT sequence, at, kind, repository, digest, tag, actor, origin, version, tag_origin, tombstone, rule FROM changes WHERE sequence > $1 ORDER BY sequence LIMIT $2',
};
const newest: Statement = { name: 'last_sequence', text: 'SELECT sequence FROM feed WHERE one = 1' };

/** Gives every change that is committed now its number. */
export async function stampChanges(database: Database): Promise<void> {
  for (let stamped = STAMPED_AT_ONCE; stamped === STAMPED_AT_ONCE; ) {
    if ((await database.read(pending, [])).length === 0) return;
    const [row] = await database.write<{ stamped: number }>(stamp, [STAMPED_AT_ONCE]);
    stamped = row?.stamped ?? 0;
  }
}

export async function changes(database: Database, after: number, limit: number): Promise<ChangeRow[]> {
  const rows = await database.read<RawChange>(feed, [after, limit]);
  return rows.map(changeOf);
}

export async function lastSequence(database: Database): Promise<number> {
  return (await database.read<{ sequence: number }>(newest, []))[0]?.sequence ?? 0;
}

const counts: Statement = {
  name: 'statistics',
  text: `SELECT (s.repositories + d.repositories)::bigint AS repositories, (s.manifests + d.manifests)::bigint AS manifests,
      (s.tags + d.tags)::bigint AS tags, (s.blobs + d.blobs)::bigint AS blobs, (s.blob_bytes + d.blob_bytes)::bigint AS "blobBytes",
      (s.reclaimable_bytes + d.reclaimable_bytes)::bigint AS "reclaimableBytes"
    FROM statistics s CROSS JOIN (
      SELECT coalesce(sum(repositories), 0) AS repositories, coalesce(sum(manifests), 0) AS manifests, coalesce(sum(tags), 0) AS tags,
        coalesce(sum(blobs), 0) AS blobs, coalesce(sum(blob_bytes), 0) AS blob_bytes,
        coalesce(sum(reclaimable_bytes), 0) AS reclaimable_bytes, count(*) AS deltas FROM statistics_deltas
    ) AS d WHERE s.one = 1`,
};
const fold: Statement = { name: 'fold_statistics', text: named('SELECT fn.fold_statistics()') };

export async function statistics(database: Database): Promise<Statistics> {
  const [row] = await database.read<Statistics>(counts, []);
  if (row === undefined) throw new Error('the statistics row is missing from the metadata');
  return row;
}

/** Adds up what writers have noted since the last time. */
export async function foldStatistics(database: Database): Promise<void> {
  await database.write(fold, []);
}
