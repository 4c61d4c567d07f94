import type { Digest } from '../../../../domain/oci/digest.ts';
import type { DroppedBlob, TrimmedHistory } from '../../reclaiming.ts';
import type { Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';
import { noteRemoval } from './removals.ts';
import { UNREFERENCED } from './review.ts';

export function condemnBlobs(
  connection: Connection,
  { before, now, limit }: { before: Millis; now: Millis; limit: number },
): number {
  const sql = `UPDATE review_queue SET condemned_at = ? WHERE blob_id IN (
    SELECT q.blob_id FROM review_queue q JOIN blobs b ON b.id = q.blob_id
    WHERE q.condemned_at IS NULL AND q.since <= ? AND b.leased_at <= ? AND ${UNREFERENCED} ORDER BY q.since LIMIT ?)`;
  return connection.run(sql, now, before, before, limit).changes;
}

interface Doomed {
  id: number;
  digest: Digest;
  size: number;
  key: string;
  createdAt: Millis;
}

/** What was leased or referred to since it was condemned is asked for again here, in the transaction that drops. */
export function dropCondemned(
  connection: Connection,
  work: { condemnedBefore: Millis; before: Millis; now: Millis; limit: number; delay: number },
): DroppedBlob[] {
  const sql = `SELECT b.id, b.digest, b.size, b.key, b.created_at AS createdAt
    FROM review_queue q JOIN blobs b ON b.id = q.blob_id
    WHERE q.condemned_at IS NOT NULL AND q.condemned_at <= ? AND q.since <= ? AND b.leased_at <= ? AND ${UNREFERENCED}
    ORDER BY q.condemned_at LIMIT ?`;
  const { condemnedBefore, before, now, limit, delay } = work;
  const doomed = connection.all<Doomed>(sql, condemnedBefore, before, before, limit);
  for (const { id, key, size, createdAt } of doomed) {
    noteRemoval(connection, { key, size, createdAt, now, delay });
    connection.run('DELETE FROM blobs WHERE id = ?', id);
  }
  return doomed.map(({ digest, size, key }) => ({ digest, size, key }));
}

export function releaseBlob(connection: Connection, { digest, key }: { digest: Digest; key: string }): boolean {
  const sql = `UPDATE blobs SET state = 'ok', damage = NULL WHERE digest = ? AND key = ? AND state = 'quarantined'`;
  return connection.run(sql, digest, key).changes > 0;
}

/**
 * Looks at the oldest `limit` of each alone, whatever their age, so that a pass costs the same however long the feed is. A
 * tombstone stays while the change that tells of it, or an older one, has not been read.
 */
export function trimHistory(
  connection: Connection,
  { before, buriedBefore = before, upTo, limit }: TrimmedHistory,
): number {
  const unread = connection.get<{ at: number }>(
    'SELECT at FROM changes WHERE sequence > ? ORDER BY sequence LIMIT 1',
    upTo,
  );
  const changes = `DELETE FROM changes WHERE sequence IN (
    SELECT sequence FROM (SELECT sequence, at FROM changes WHERE sequence <= ? ORDER BY sequence LIMIT ?) WHERE at < ?)`;
  const read = Math.min(buriedBefore, unread?.at ?? buriedBefore);
  return connection.run(changes, upTo, limit, before).changes + trimTombstones(connection, read, limit);
}

/** The repository remembers how far the versions of those names went. */
function trimTombstones(connection: Connection, before: Millis, limit: number): number {
  const sql = `SELECT repository_id AS repository, name, version FROM tag_tombstones WHERE deleted_at < ? ORDER BY deleted_at LIMIT ?`;
  const old = connection.all<{ repository: number; name: string; version: number }>(sql, before, limit);
  for (const { repository, name, version } of old) {
    connection.run('UPDATE repositories SET tag_floor = max(tag_floor, ?) WHERE id = ?', version, repository);
    connection.run('DELETE FROM tag_tombstones WHERE repository_id = ? AND name = ?', repository, name);
  }
  return old.length;
}
