import type { Job, JobQueue, JobState, NewJob } from '../job-queue.ts';
import type { Millis } from '../store.ts';
import type { Database } from './database.ts';
import type { Statement } from './session.ts';

const enqueue: Statement = {
  name: 'enqueue_job',
  text: `INSERT INTO jobs AS j (kind, key, payload, run_at, created_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (kind, key) DO UPDATE SET run_at = excluded.run_at
    WHERE excluded.run_at < j.run_at AND (j.leased_by IS NULL OR j.lease_until <= $5)`,
};
const claim: Statement = {
  name: 'claim_job',
  text: `UPDATE jobs SET leased_by = $1, lease_until = $2, attempts = attempts + 1 WHERE id = (
      SELECT id FROM jobs WHERE run_at <= $3 AND kind = ANY ($4) AND (leased_by IS NULL OR lease_until <= $3)
      ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, kind, key, payload, attempts, last_error AS "lastError"`,
};
const renew: Statement = {
  name: 'renew_job',
  text: 'UPDATE jobs SET lease_until = $3, payload = coalesce($4, payload) WHERE id = $1 AND leased_by = $2 RETURNING 1 AS held',
};
const finish: Statement = {
  name: 'finish_job',
  text: 'DELETE FROM jobs WHERE id = $1 AND leased_by = $2 RETURNING 1 AS held',
};
const repeat: Statement = {
  name: 'repeat_job',
  text: `UPDATE jobs SET run_at = $3, payload = $4, last_error = $5, attempts = 0, leased_by = NULL, lease_until = NULL
    WHERE id = $1 AND leased_by = $2 RETURNING 1 AS held`,
};
const list: Statement = {
  name: 'jobs',
  text: `SELECT kind, key, run_at AS "runAt", lease_until AS "heldUntil", attempts, last_error AS "lastError"
    FROM jobs ORDER BY run_at, id LIMIT $1`,
};

type RawJob = Omit<Job, 'lastError'> & { lastError: string | null };
type RawState = Omit<JobState, 'heldUntil' | 'lastError'> & { heldUntil: Millis | null; lastError: string | null };

/** The job queue on PostgreSQL: each job is held by one replica at a time, and nobody waits for another's claim. */
export class PostgresJobs implements JobQueue {
  #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async enqueueJob({ kind, key, payload, runAt, now }: NewJob): Promise<void> {
    await this.#database.write(enqueue, [kind, key, payload, runAt, now]);
  }

  async claimJob(wanted: {
    kinds: readonly string[];
    worker: string;
    now: Millis;
    leaseUntil: Millis;
  }): Promise<Job | undefined> {
    const { kinds, worker, now, leaseUntil } = wanted;
    const [row] = await this.#database.write<RawJob>(claim, [worker, leaseUntil, now, kinds]);
    if (row === undefined) return undefined;
    const { lastError, ...job } = row;
    return lastError === null ? job : { ...job, lastError };
  }

  async renewJob(held: { id: number; worker: string; leaseUntil: Millis; payload?: string }): Promise<boolean> {
    const { id, worker, leaseUntil, payload = null } = held;
    return (await this.#database.write(renew, [id, worker, leaseUntil, payload])).length > 0;
  }

  async finishJob(held: {
    id: number;
    worker: string;
    again?: { runAt: Millis; payload: string; error?: string };
  }): Promise<boolean> {
    const { id, worker, again } = held;
    const rows =
      again === undefined
        ? await this.#database.write(finish, [id, worker])
        : await this.#database.write(repeat, [id, worker, again.runAt, again.payload, again.error ?? null]);
    return rows.length > 0;
  }

  async jobs(limit: number): Promise<JobState[]> {
    return (await this.#database.read<RawState>(list, [limit])).map(({ heldUntil, lastError, ...job }) => ({
      ...job,
      ...(heldUntil !== null && { heldUntil }),
      ...(lastError !== null && { lastError }),
    }));
  }
}
