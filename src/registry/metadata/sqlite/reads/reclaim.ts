import type { Digest } from '../../../../domain/oci/digest.ts';
import type { JobState } from '../../job-queue.ts';
import type { QuarantinedBlob, Removal } from '../../reclaiming.ts';
import type { Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';

/**
 * How far the times in rows may be from the moments of the commits, milliseconds: a snapshot that was taken this close to a
 * key's coming or going may name it.
 */
const BLUR = 60_000;

/** A removal whose time has come, and whether a blob or a kept snapshot names it nevertheless. */
export interface RipeRemoval extends Removal {
  readonly notBefore: Millis;
  readonly held: 0 | 1;
}

/** One page of them, after another. Those that are held may be many, so that nobody should read them all at once. */
export function ripeRemovals(
  connection: Connection,
  { now, last, limit }: { now: Millis; last?: RipeRemoval; limit: number },
): RipeRemoval[] {
  const sql = `SELECT r.key, r.size, r.not_before AS notBefore,
      EXISTS (SELECT 1 FROM snapshots s WHERE s.taken_at >= r.created_at - ?1 AND s.taken_at < r.removed_at + ?1)
      OR EXISTS (SELECT 1 FROM blobs b WHERE b.key = r.key) AS held
    FROM removals r WHERE (r.not_before, r.key) > (?2, ?3) AND r.not_before <= ?4 ORDER BY r.not_before, r.key LIMIT ?5`;
  return connection.all<RipeRemoval>(sql, BLUR, last?.notBefore ?? -1, last?.key ?? '', now, limit);
}

export function unaccounted(connection: Connection, keys: readonly { key: string; uploadId: string }[]): string[] {
  const sql = `SELECT EXISTS (SELECT 1 FROM uploads WHERE id = ?2) OR EXISTS (SELECT 1 FROM blobs WHERE key = ?1)
    OR EXISTS (SELECT 1 FROM removals WHERE key = ?1) AS known`;
  return keys
    .filter(({ key, uploadId }) => connection.get<{ known: number }>(sql, key, uploadId)?.known !== 1)
    .map(({ key }) => key);
}

export function accountsSince(connection: Connection): Millis {
  return connection.get<{ since: number }>('SELECT since FROM accounting WHERE one = 1')?.since ?? 0;
}

export function quarantined(
  connection: Connection,
  { last, limit }: { last?: Digest; limit: number },
): QuarantinedBlob[] {
  const sql = `SELECT digest, size, key, coalesce(damage, '') AS damage FROM blobs
    WHERE state = 'quarantined' AND digest > ? ORDER BY digest LIMIT ?`;
  return connection.all<QuarantinedBlob>(sql, last ?? '', limit).map((row) => ({ ...row }));
}

/** Whether `claimJob` might find something: asked on the reading side, so that a worker with nothing to do writes nothing. */
export function hasDueJob(connection: Connection, kinds: readonly string[], now: Millis): boolean {
  const sql = `SELECT 1 AS found FROM jobs WHERE run_at <= ?1 AND +kind IN (SELECT value FROM json_each(?2))
    AND (leased_by IS NULL OR lease_until <= ?1) LIMIT 1`;
  return connection.get(sql, now, JSON.stringify(kinds)) !== undefined;
}

interface RawJob {
  kind: string;
  key: string;
  runAt: Millis;
  heldUntil: Millis | null;
  attempts: number;
  lastError: string | null;
}

export function jobs(connection: Connection, limit: number): JobState[] {
  const sql = `SELECT kind, key, run_at AS runAt, lease_until AS heldUntil, attempts, last_error AS lastError
    FROM jobs WHERE run_at >= 0 ORDER BY run_at LIMIT ?`;
  return connection.all<RawJob>(sql, limit).map(({ heldUntil, lastError, ...job }) => ({
    ...job,
    ...(heldUntil !== null && { heldUntil }),
    ...(lastError !== null && { lastError }),
  }));
}
