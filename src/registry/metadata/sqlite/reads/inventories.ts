import type { InventoryRow, Reporter } from '../../retaining.ts';
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
  return { revision, reports: connection.all<Raw>(sql).map(rowOf) };
}

export function reporters(connection: Connection): { revision: number; reports: Reporter[] } {
  const revision = inUseRevision(connection);
  const sql = 'SELECT cluster, reported_at AS reportedAt, received_at AS receivedAt FROM inventories ORDER BY cluster';
  return { revision, reports: connection.all<Reporter>(sql).map((raw) => ({ ...raw })) };
}

export function inventory(connection: Connection, cluster: string): InventoryRow | undefined {
  const sql = `SELECT cluster, reported_at AS reportedAt, received_at AS receivedAt, document, names
    FROM inventories WHERE cluster = ?`;
  const raw = connection.get<Raw>(sql, cluster);
  return raw && rowOf(raw);
}

function rowOf(raw: Raw): InventoryRow {
  return { ...raw, names: JSON.parse(raw.names) as string[] };
}
