import type { Digest } from '../../../../domain/oci/digest.ts';
import type { Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';

/** Whether a manifest of any repository has this blob as config or layer. */
function isReferenced(connection: Connection, digest: Digest): boolean {
  const sql = `SELECT 1 AS found FROM edges WHERE target = ? AND kind IN ('config', 'layer') LIMIT 1`;
  return connection.get(sql, digest) !== undefined;
}

/** Puts a blob that no manifest refers to into the review queue; one that is there already starts its grace time anew. */
export function reviewIfUnreferenced(connection: Connection, digest: Digest, now: Millis): void {
  if (isReferenced(connection, digest)) return;
  connection.run(
    `INSERT INTO review_queue (blob_id, since, size) SELECT id, ?, size FROM blobs WHERE digest = ?
     ON CONFLICT (blob_id) DO UPDATE SET since = max(since, excluded.since), condemned_at = NULL`,
    now,
    digest,
  );
}

/** Takes a blob out of the review queue: a manifest now refers to it. */
export function leaveReview(connection: Connection, digest: Digest): void {
  connection.run('DELETE FROM review_queue WHERE blob_id = (SELECT id FROM blobs WHERE digest = ?)', digest);
}
