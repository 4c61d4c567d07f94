import type { Digest } from '../../../../domain/oci/digest.ts';
import type { BlobRow, Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';
import { LEASE_COARSENESS } from '../writes/blobs.ts';

type Raw = { digest: Digest; size: number; key: string };

function rowOf({ digest, size, key }: Raw): BlobRow {
  return { digest, size, key };
}

export function blob(connection: Connection, repository: string, digest: Digest): BlobRow | undefined {
  const sql = `SELECT b.digest, b.size, b.key FROM blobs b JOIN repository_blobs v ON v.blob_id = b.id AND v.repository = ?
    WHERE b.digest = ? AND b.state = 'ok'`;
  const raw = connection.get<Raw>(sql, repository, digest);
  return raw === undefined ? undefined : rowOf(raw);
}

export function repositoriesWithBlob(connection: Connection, digest: Digest, limit: number): string[] {
  const sql = `SELECT repository AS name FROM repository_blobs
    WHERE blob_id = (SELECT id FROM blobs WHERE digest = ? AND state = 'ok') ORDER BY repository LIMIT ?`;
  return connection.all<{ name: string }>(sql, digest, limit).map(({ name }) => name);
}

export function blobs(connection: Connection, { last, limit }: { last?: Digest; limit: number }): BlobRow[] {
  const sql = 'SELECT digest, size, key FROM blobs WHERE digest > ? ORDER BY digest LIMIT ?';
  return connection.all<Raw>(sql, last ?? '', limit).map(rowOf);
}

/**
 * Which of these blobs need a lease to be written, asked for on the reading side, so that most pulls cost no write; undefined
 * where one of them is gone.
 */
export function leasesToRenew(connection: Connection, digests: readonly Digest[], now: Millis): Digest[] | undefined {
  const sql = `SELECT q.blob_id IS NOT NULL AND (b.leased_at <= ? OR q.condemned_at IS NOT NULL) AS due
    FROM blobs b LEFT JOIN review_queue q ON q.blob_id = b.id WHERE b.digest = ? AND b.state = 'ok'`;
  const due: Digest[] = [];
  for (const digest of digests) {
    const row = connection.get<{ due: number }>(sql, now - LEASE_COARSENESS, digest);
    if (row === undefined) return undefined;
    if (row.due === 1) due.push(digest);
  }
  return due;
}
