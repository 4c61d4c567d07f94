import type { UploadRow } from '../../store.ts';
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

export function deleteUpload(connection: Connection, { id }: { id: string }): void {
  connection.run('DELETE FROM uploads WHERE id = ?', id);
}
