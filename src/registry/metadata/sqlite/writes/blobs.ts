import type { Digest } from '../../../../domain/oci/digest.ts';
import type { Millis, NewBlob } from '../../store.ts';
import type { Connection } from '../connection.ts';
import { recordChange } from './changes.ts';
import { ensureRepository, findRepository } from './repositories.ts';
import { reviewIfUnreferenced } from './review.ts';

/** A lease is written at most this often (milliseconds) for each blob. */
export const LEASE_COARSENESS = 60_000;

interface Row {
  id: number;
  key: string;
  state: 'ok' | 'quarantined';
}

function find(connection: Connection, digest: Digest): Row | undefined {
  return connection.get<Row>('SELECT id, key, state FROM blobs WHERE digest = ?', digest);
}

export function addBlob(connection: Connection, blob: NewBlob): { surplusKey?: string } {
  const known = find(connection, blob.digest);
  const { id, surplusKey } = known === undefined ? insert(connection, blob) : renew(connection, known, blob);
  ensureRepository(connection, blob.repository);
  connection.run('INSERT OR IGNORE INTO repository_blobs (blob_id, repository) VALUES (?, ?)', id, blob.repository);
  connection.run('DELETE FROM uploads WHERE id = ?', blob.uploadId);
  reviewIfUnreferenced(connection, blob.digest, blob.now);
  return surplusKey === undefined ? {} : { surplusKey };
}

function insert(connection: Connection, blob: NewBlob): { id: number; surplusKey?: string } {
  const { id } = connection.run(
    'INSERT INTO blobs (digest, size, key, leased_at, created_at) VALUES (?, ?, ?, ?, ?)',
    blob.digest,
    blob.size,
    blob.key,
    blob.now,
    blob.now,
  );
  return { id };
}

/**
 * The bytes that were verified just now win: the old ones may have been damaged since, and nobody would have noticed. This
 * heals every repository that names them.
 */
function renew(connection: Connection, known: Row, blob: NewBlob): { id: number; surplusKey?: string } {
  const sql = `UPDATE blobs SET key = ?, state = 'ok', damage = NULL, leased_at = max(leased_at, ?) WHERE id = ?`;
  connection.run(sql, blob.key, blob.now, known.id);
  return known.key === blob.key ? { id: known.id } : { id: known.id, surplusKey: known.key };
}

export function mountBlob(
  connection: Connection,
  mount: { repository: string; from: string; digest: Digest; now: Millis },
): boolean {
  const blob = visible(connection, mount.from, mount.digest);
  if (blob === undefined) return false;
  ensureRepository(connection, mount.repository);
  connection.run('INSERT OR IGNORE INTO repository_blobs (blob_id, repository) VALUES (?, ?)', blob, mount.repository);
  connection.run('UPDATE blobs SET leased_at = max(leased_at, ?) WHERE id = ?', mount.now, blob);
  reviewIfUnreferenced(connection, mount.digest, mount.now);
  return true;
}

/** Row id of a healthy blob that is visible in the repository. */
export function visible(connection: Connection, repository: string, digest: Digest): number | undefined {
  const sql = `SELECT b.id FROM blobs b JOIN repository_blobs v ON v.blob_id = b.id AND v.repository = ?
    WHERE b.digest = ? AND b.state = 'ok'`;
  return connection.get<{ id: number }>(sql, repository, digest)?.id;
}

/** Only what waits in the review queue needs a lease: what loses its last reference later starts a grace time then. */
export function renewLease(
  connection: Connection,
  { digests, now }: { digests: readonly Digest[]; now: Millis },
): void {
  for (const digest of digests) {
    const blob = connection.get<{ id: number }>(
      'SELECT b.id FROM blobs b JOIN review_queue q ON q.blob_id = b.id WHERE b.digest = ? AND b.leased_at <= ?',
      digest,
      now - LEASE_COARSENESS,
    );
    if (blob === undefined) continue;
    connection.run('UPDATE blobs SET leased_at = ? WHERE id = ?', now, blob.id);
    connection.run('UPDATE review_queue SET condemned_at = NULL WHERE blob_id = ?', blob.id);
  }
}

export function deleteBlob(
  connection: Connection,
  { repository, digest, now }: { repository: string; digest: Digest; now: Millis },
): 'deleted' | 'unknown' | 'referenced' {
  const blob = find(connection, digest);
  const shown = 'SELECT 1 AS found FROM repository_blobs WHERE blob_id = ? AND repository = ?';
  if (blob === undefined || connection.get(shown, blob.id, repository) === undefined) return 'unknown';
  const id = findRepository(connection, repository) ?? -1;
  const needed = `SELECT 1 AS found FROM edges WHERE target = ? AND repository_id = ? AND kind IN ('config', 'layer') LIMIT 1`;
  if (connection.get(needed, digest, id) !== undefined) return 'referenced';
  connection.run('DELETE FROM repository_blobs WHERE blob_id = ? AND repository = ?', blob.id, repository);
  reviewIfUnreferenced(connection, digest, now);
  recordChange(connection, { kind: 'blob-deleted', at: now, repository, digest, actor: '' });
  return 'deleted';
}

export function quarantineBlob(
  connection: Connection,
  { digest, key, why }: { digest: Digest; key: string; why: string; now: Millis },
): void {
  connection.run(`UPDATE blobs SET state = 'quarantined', damage = ? WHERE digest = ? AND key = ?`, why, digest, key);
}
