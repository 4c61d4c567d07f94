import { changeOf, type RawChange } from '../../raw-change.ts';
import type { ChangeRow, Millis, Statistics, UploadRow } from '../../store.ts';
import type { Connection } from '../connection.ts';

const UPLOAD = 'SELECT id, repository, owner, started_at AS startedAt FROM uploads';

export function upload(connection: Connection, id: string): UploadRow | undefined {
  const row = connection.get<UploadRow>(`${UPLOAD} WHERE id = ?`, id);
  return row === undefined ? undefined : { ...row };
}

export function staleUploads(connection: Connection, before: Millis, limit: number): UploadRow[] {
  const sql = `${UPLOAD} WHERE started_at < ? ORDER BY started_at, id LIMIT ?`;
  return connection.all<UploadRow>(sql, before, limit).map((row) => ({ ...row }));
}

export function changes(connection: Connection, after: number, limit: number): ChangeRow[] {
  const sql = 'SELECT * FROM changes WHERE sequence > ? ORDER BY sequence LIMIT ?';
  return connection.all<RawChange>(sql, after, limit).map(changeOf);
}

export function statistics(connection: Connection): Statistics {
  const sql = `SELECT repositories, manifests, tags, blobs, blob_bytes AS blobBytes, reclaimable_bytes AS reclaimableBytes
    FROM statistics`;
  const row = connection.get<Statistics>(sql);
  if (row === undefined) throw new Error('the statistics row is missing from the metadata');
  return { ...row };
}
