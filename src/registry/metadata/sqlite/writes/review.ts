import type { Digest } from '../../../../domain/oci/digest.ts';
import type { Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';

/** Of a blob `b`: no manifest of any repository has it as config or layer, and none in the trash, which may come back. */
export const UNREFERENCED = `NOT EXISTS (SELECT 1 FROM edges e WHERE e.target = b.digest AND e.kind IN ('config', 'layer'))
  AND NOT EXISTS (SELECT 1 FROM trash_edges e WHERE e.target = b.digest AND e.kind IN ('config', 'layer'))`;

/** Puts a blob that no manifest refers to into the review queue; one that is there already starts its grace time anew. */
export function reviewIfUnreferenced(connection: Connection, digest: Digest, now: Millis): void {
  connection.run(
    `INSERT INTO review_queue (blob_id, since, size) SELECT b.id, ?, b.size FROM blobs b WHERE b.digest = ? AND ${UNREFERENCED}
     ON CONFLICT (blob_id) DO UPDATE SET since = max(since, excluded.since), condemned_at = NULL`,
    now,
    digest,
  );
}

/** Takes a blob out of the review queue: a manifest now refers to it. */
export function leaveReview(connection: Connection, digest: Digest): void {
  connection.run('DELETE FROM review_queue WHERE blob_id = (SELECT id FROM blobs WHERE digest = ?)', digest);
}
