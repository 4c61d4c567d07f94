import type { Millis, UploadRow } from '../../store.ts';
import type { Connection } from '../connection.ts';

export function createUpload(connection: Connection, row: UploadRow): void {
  connection.run(
    'INSERT INTO uploads (id, repository, owner, started_at) VALUES (?, ?, ?, ?)',
    row.id,
    row.repository,
    row.owner,
    row.startedAt,
  );
}

/** True where there was such an upload. */
export function deleteUpload(connection: Connection, { id }: { id: string }): boolean {
  return connection.run('DELETE FROM uploads WHERE id = ?', id).changes > 0;
}

export function holdUpload(
  connection: Connection,
  { id, holder, now, until }: { id: string; holder: string; now: Millis; until: Millis },
): boolean {
  const sql = `UPDATE uploads SET holder = ?1, held_until = ?2
    WHERE id = ?3 AND (holder IS NULL OR holder = ?1 OR held_until <= ?4)`;
  return connection.run(sql, holder, until, id, now).changes > 0;
}

export function releaseUpload(connection: Connection, { id, holder }: { id: string; holder: string }): void {
  connection.run('UPDATE uploads SET holder = NULL, held_until = NULL WHERE id = ? AND holder = ?', id, holder);
}
