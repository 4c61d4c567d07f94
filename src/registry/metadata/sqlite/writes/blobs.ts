import type { Digest } from '../../../../domain/oci/digest.ts';
import type { Millis, NewBlob } from '../../store.ts';
import type { Connection } from '../connection.ts';
import { recordChange } from './changes.ts';
import { noteRemoval } from './removals.ts';
import { ensureRepository, findRepository } from './repositories.ts';
import { reviewIfUnreferenced } from './review.ts';
import { deleteUpload } from './uploads.ts';

/** A lease is written at most this often (milliseconds) for each blob: half of the shortest grace time. */
export const LEASE_COARSENESS = 5_000;

interface Row {
  id: number;
  key: string;
  size: number;
  createdAt: Millis;
}

function find(connection: Connection, digest: Digest): Row | undefined {
  const sql = 'SELECT id, key, size, created_at AS createdAt FROM blobs WHERE digest = ?';
  return connection.get<Row>(sql, digest);
}

/** What `addBlob` did; `replaced` where the digest had other bytes before. */
export type Named = 'unknown-upload' | 'named' | 'replaced';

/** The upload ends in the same transaction, so that its bytes are accounted for at every moment. */
export function addBlob(connection: Connection, { delay, ...blob }: NewBlob & { delay: number }): Named {
  if (!deleteUpload(connection, { id: blob.uploadId })) return 'unknown-upload';
  const known = find(connection, blob.digest);
  const id = known === undefined ? insert(connection, blob) : renew(connection, known, { ...blob, delay });
  ensureRepository(connection, blob.repository);
  connection.run('INSERT OR IGNORE INTO repository_blobs (blob_id, repository) VALUES (?, ?)', id, blob.repository);
  reviewIfUnreferenced(connection, blob.digest, blob.now);
  return known === undefined || known.key === blob.key ? 'named' : 'replaced';
}

function insert(connection: Connection, { digest, size, key, now }: NewBlob): number {
  const sql = 'INSERT INTO blobs (digest, size, key, leased_at, created_at) VALUES (?, ?, ?, ?, ?)';
  return connection.run(sql, digest, size, key, now, now).id;
}

/**
 * The bytes that were verified just now win: the old ones may have been damaged since, and nobody would have noticed. This
 * heals every repository that names them.
 */
function renew(connection: Connection, known: Row, blob: NewBlob & { delay: number }): number {
  const { key, now, delay } = blob;
  const { size, createdAt } = known;
  if (known.key !== key) noteRemoval(connection, { key: known.key, size, createdAt, now, delay });
  const sql = `UPDATE blobs SET key = ?, state = 'ok', damage = NULL, created_at = ?, leased_at = max(leased_at, ?) WHERE id = ?`;
  connection.run(sql, key, known.key === key ? createdAt : now, now, known.id);
  return known.id;
}

export function mountBlob(
  connection: Connection,
  mount: { repository: string; from: string; digest: Digest; now: Millis },
): boolean {
  const blob = visible(connection, mount.from, mount.digest);
  if (blob === undefined) return false;
  ensureRepository(connection, mount.repository);
  connection.run('INSERT OR IGNORE INTO repository_blobs (blob_id, repository) VALUES (?, ?)', blob, mount.repository);
  lease(connection, blob, mount.now);
  reviewIfUnreferenced(connection, mount.digest, mount.now);
  return true;
}

/** Row id of a healthy blob that is visible in the repository. */
export function visible(connection: Connection, repository: string, digest: Digest): number | undefined {
  const sql = `SELECT b.id FROM blobs b JOIN repository_blobs v ON v.blob_id = b.id AND v.repository = ?
    WHERE b.digest = ? AND b.state = 'ok'`;
  return connection.get<{ id: number }>(sql, repository, digest)?.id;
}

/**
 * Only what waits in the review queue needs a lease: what loses its last reference later starts a grace time then. False where
 * one of the blobs is gone.
 */
export function renewLease(
  connection: Connection,
  { digests, now }: { digests: readonly Digest[]; now: Millis },
): boolean {
  let all = true;
  for (const digest of digests) {
    const blob = connection.get<{ id: number }>(`SELECT id FROM blobs WHERE digest = ? AND state = 'ok'`, digest);
    if (blob === undefined) all = false;
    else lease(connection, blob.id, now);
  }
  return all;
}

function lease(connection: Connection, blob: number, now: Millis): void {
  connection.run('UPDATE blobs SET leased_at = max(leased_at, ?) WHERE id = ?', now, blob);
  connection.run('UPDATE review_queue SET condemned_at = NULL WHERE blob_id = ?', blob);
}

export function deleteBlob(
  connection: Connection,
  { repository, digest, now }: { repository: string; digest: Digest; now: Millis },
): 'deleted' | 'unknown' | 'referenced' {
  const blob = find(connection, digest);
  const shown = 'SELECT 1 AS found FROM repository_blobs WHERE blob_id = ? AND repository = ?';
  if (blob === undefined || connection.get(shown, blob.id, repository) === undefined) return 'unknown';
  const id = findRepository(connection, repository) ?? -1;
  const needed = `SELECT 1 AS found FROM edges WHERE target = ?1 AND repository_id = ?2 AND kind IN ('config', 'layer')
    UNION ALL SELECT 1 FROM trash_edges WHERE target = ?1 AND repository = ?3 AND kind IN ('config', 'layer') LIMIT 1`;
  if (connection.get(needed, digest, id, repository) !== undefined) return 'referenced';
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
