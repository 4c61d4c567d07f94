import type { InventoryRow } from '../../retaining.ts';
import type { Connection } from '../connection.ts';
import { inUseRevision } from '../reads/inventories.ts';

export function putInventory(connection: Connection, report: InventoryRow): { revision: number } {
  const { cluster, reportedAt, receivedAt, document, names } = report;
  const sql = 'SELECT names FROM inventories WHERE cluster = ?';
  const before = connection.get<{ names: string }>(sql, cluster)?.names ?? '[]';
  connection.run(
    `INSERT INTO inventories (cluster, reported_at, received_at, document, names) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (cluster) DO UPDATE SET reported_at = excluded.reported_at, received_at = excluded.received_at,
       document = excluded.document, names = excluded.names`,
    cluster,
    reportedAt,
    receivedAt,
    document,
    JSON.stringify(names),
  );
  const known = new Set(JSON.parse(before) as string[]);
  if (names.some((name) => !known.has(name))) connection.run('UPDATE in_use SET revision = revision + 1 WHERE one = 1');
  return { revision: inUseRevision(connection) };
}

/** Forgets clusters that are not listed. What they used is used no more, so that nothing that is being planned becomes wrong. */
export function keepInventories(connection: Connection, { clusters }: { clusters: readonly string[] }): void {
  const sql = 'DELETE FROM inventories WHERE cluster NOT IN (SELECT value FROM json_each(?))';
  connection.run(sql, JSON.stringify(clusters));
}
