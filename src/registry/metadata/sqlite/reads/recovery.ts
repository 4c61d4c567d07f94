import type { SnapshotRow } from '../../recovery.ts';
import type { Connection } from '../connection.ts';

/** Number of the newest change, also where its row was trimmed; 0 where there was none. */
export function lastSequence(connection: Connection): number {
  return connection.get<{ seq: number }>(`SELECT seq FROM sqlite_sequence WHERE name = 'changes'`)?.seq ?? 0;
}

/** Snapshots that are kept, the oldest first. */
export function snapshots(connection: Connection): SnapshotRow[] {
  const sql = 'SELECT name, sequence, taken_at AS takenAt, size FROM snapshots ORDER BY taken_at, name';
  return connection.all<SnapshotRow>(sql).map((row) => ({ ...row }));
}
