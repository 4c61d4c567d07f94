import type { InventoryRow } from '../../retaining.ts';
import type { Connection } from '../connection.ts';

type Raw = Omit<InventoryRow, 'names'> & { names: string };

export function inUseRevision(connection: Connection): number {
  return connection.get<{ revision: number }>('SELECT revision FROM in_use WHERE one = 1')?.revision ?? 0;
}

/** The revision is read first: where a report comes in between it is too low, and nothing expires by it. */
export function inventories(connection: Connection): { revision: number; reports: InventoryRow[] } {
  const revision = inUseRevision(connection);
  const sql = `SELECT cluster, reported_at AS reportedAt, received_at AS receivedAt, document, names
    FROM inventories ORDER BY cluster`;
  const reports = connection.all<Raw>(sql).map((raw) => ({ ...raw, names: JSON.parse(raw.names) as string[] }));
  return { revision, reports };
}
