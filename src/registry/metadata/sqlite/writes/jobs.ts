import type { Job, NewJob } from '../../job-queue.ts';
import type { Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';

export function enqueueJob(connection: Connection, { kind, key, payload, runAt, now }: NewJob): void {
  const sql = `INSERT INTO jobs (kind, key, payload, run_at, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (kind, key) DO UPDATE SET run_at = excluded.run_at
    WHERE excluded.run_at < run_at AND (leased_by IS NULL OR lease_until <= ?5)`;
  connection.run(sql, kind, key, payload, runAt, now);
}

interface Row {
  id: number;
  kind: string;
  key: string;
  payload: string;
  attempts: number;
  lastError: string | null;
}

export function claimJob(
  connection: Connection,
  claim: { kinds: readonly string[]; worker: string; now: Millis; leaseUntil: Millis },
): Job | undefined {
  const sql = `UPDATE jobs SET leased_by = ?1, lease_until = ?2, attempts = attempts + 1 WHERE id = (
      SELECT id FROM jobs WHERE run_at <= ?3 AND +kind IN (SELECT value FROM json_each(?4))
        AND (leased_by IS NULL OR lease_until <= ?3) ORDER BY run_at LIMIT 1)
    RETURNING id, kind, key, payload, attempts, last_error AS lastError`;
  const { worker, leaseUntil, now, kinds } = claim;
  const [row] = connection.all<Row>(sql, worker, leaseUntil, now, JSON.stringify(kinds));
  if (row === undefined) return undefined;
  const { lastError, ...job } = row;
  return lastError === null ? job : { ...job, lastError };
}

export function renewJob(
  connection: Connection,
  { id, worker, leaseUntil, payload }: { id: number; worker: string; leaseUntil: Millis; payload?: string },
): boolean {
  const sql = 'UPDATE jobs SET lease_until = ?, payload = coalesce(?, payload) WHERE id = ? AND leased_by = ?';
  return connection.run(sql, leaseUntil, payload ?? null, id, worker).changes > 0;
}

export function finishJob(
  connection: Connection,
  { id, worker, again }: { id: number; worker: string; again?: { runAt: Millis; payload: string; error?: string } },
): boolean {
  if (again === undefined)
    return connection.run('DELETE FROM jobs WHERE id = ? AND leased_by = ?', id, worker).changes > 0;
  const sql = `UPDATE jobs SET run_at = ?, payload = ?, last_error = ?, attempts = 0, leased_by = NULL, lease_until = NULL
    WHERE id = ? AND leased_by = ?`;
  return connection.run(sql, again.runAt, again.payload, again.error ?? null, id, worker).changes > 0;
}

/** The holders are dead: whoever opens the directory has it alone. */
export function freeJobs(connection: Connection): void {
  connection.run('UPDATE jobs SET leased_by = NULL, lease_until = NULL WHERE leased_by IS NOT NULL');
}
