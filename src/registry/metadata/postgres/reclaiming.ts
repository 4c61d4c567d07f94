import type { Digest } from '../../../domain/oci/digest.ts';
import type { DroppedBlob, NewRemoval, QuarantinedBlob, Reclaiming, Removal, TrimmedHistory } from '../reclaiming.ts';
import type { Millis } from '../store.ts';
import type { Database } from './database.ts';
import { named } from './names.ts';
import type { Statement } from './session.ts';
import { call, releaseBlob } from './writes/blobs.ts';

/**
 * How far the times in rows may be from the moments of the commits, milliseconds: a snapshot that was taken this close to a
 * key's coming or going may name it. Clocks of replicas differ by less.
 */
const BLUR = 60_000;

const UNREFERENCED = `NOT EXISTS (SELECT 1 FROM edges e WHERE e.target = b.digest AND e.kind IN ('config', 'layer'))
  AND NOT EXISTS (SELECT 1 FROM trash_edges e WHERE e.target = b.digest AND e.kind IN ('config', 'layer'))`;
const condemn: Statement = {
  name: 'condemn_blobs',
  text: `UPDATE review_queue SET condemned_at = $2 WHERE blob_id IN (
      SELECT q.blob_id FROM review_queue q JOIN blobs b ON b.id = q.blob_id
      WHERE q.condemned_at IS NULL AND q.since <= $1 AND b.leased_at <= $1 AND ${UNREFERENCED}
      ORDER BY q.since LIMIT $3 FOR UPDATE OF q SKIP LOCKED)
    RETURNING 1 AS condemned`,
};
const drop: Statement = {
  name: 'drop_condemned',
  text: named('SELECT digest, size, key FROM fn.drop_condemned($1, $2, $3, $4, $5)'),
};
/**
 * One page of removals whose time has come, and whether a blob or a kept snapshot names them nevertheless: many may be held.
 * The blob is asked for as a value: of an EXISTS here the planner makes a hash of all blobs.
 */
const ripe: Statement = {
  name: 'ripe_removals',
  text: `SELECT r.key, r.size, r.not_before AS "notBefore",
      EXISTS (SELECT 1 FROM snapshots s WHERE s.taken_at >= r.created_at - $1 AND s.taken_at < r.removed_at + $1)
      OR (SELECT 1 FROM blobs b WHERE b.key = r.key LIMIT 1) IS NOT NULL AS held
    FROM removals r WHERE (r.not_before, r.key) > ($2, $3) AND r.not_before <= $4 ORDER BY r.not_before, r.key LIMIT $5`,
};
/** Removals that one query looks at. */
const PAGE = 5000;
type Ripe = Removal & { readonly notBefore: Millis; readonly held: boolean };

const forget: Statement = {
  name: 'forget_removals',
  text: `DELETE FROM removals WHERE key IN (SELECT key FROM removals WHERE key = ANY ($1) ORDER BY key FOR UPDATE)`,
};
const orphans: Statement = {
  name: 'unaccounted',
  text: `SELECT k.key FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (key, upload, n)
    WHERE NOT EXISTS (SELECT 1 FROM uploads u WHERE u.id = k.upload) AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.key = k.key)
      AND NOT EXISTS (SELECT 1 FROM removals r WHERE r.key = k.key)`,
};
const since: Statement = { name: 'accounts_since', text: 'SELECT since FROM accounting WHERE one = 1' };
const add: Statement = {
  name: 'add_removals',
  text: `INSERT INTO removals (key, size, created_at, removed_at, not_before)
    SELECT k.key, k.size, k.created_at, k.now, k.now + $5 FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS k (key, size, created_at, now)
    WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.key = k.key) ON CONFLICT (key) DO NOTHING`,
};
const damaged: Statement = {
  name: 'quarantined',
  text: `SELECT digest, size, key, coalesce(damage, '') AS damage FROM blobs
    WHERE state = 'quarantined' AND digest > $1 ORDER BY digest LIMIT $2`,
};
const trim: Statement = { name: 'trim_history', text: named('SELECT fn.trim_history($1, $2, $3, $4) AS value') };

/** Reclaiming on PostgreSQL: several replicas may do each of these at once. */
export class PostgresReclaiming implements Reclaiming {
  #database: Database;
  #removalDelay: Millis;

  constructor(database: Database, removalDelay: Millis) {
    this.#database = database;
    this.#removalDelay = removalDelay;
  }

  async condemnBlobs({ before, now, limit }: { before: Millis; now: Millis; limit: number }): Promise<number> {
    return (await this.#database.write(condemn, [before, now, limit])).length;
  }

  dropCondemned(work: { condemnedBefore: Millis; before: Millis; now: Millis; limit: number }): Promise<DroppedBlob[]> {
    const { condemnedBefore, before, now, limit } = work;
    return this.#database.write<DroppedBlob>(drop, [condemnedBefore, before, now, limit, this.#removalDelay]);
  }

  async dueRemovals(now: Millis, limit: number): Promise<Removal[]> {
    const due: Removal[] = [];
    for (let last: Ripe | undefined; ; ) {
      const rows = await this.#database.read<Ripe>(ripe, [BLUR, last?.notBefore ?? -1, last?.key ?? '', now, PAGE]);
      for (const { key, size, held } of rows) if (!held) due.push({ key, size });
      last = rows.at(-1);
      if (rows.length < PAGE || due.length >= limit) return due.slice(0, limit);
    }
  }

  async forgetRemovals(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#database.write(forget, [keys]);
  }

  async unaccounted(keys: readonly { key: string; uploadId: string }[]): Promise<string[]> {
    if (keys.length === 0) return [];
    const columns = [keys.map(({ key }) => key), keys.map(({ uploadId }) => uploadId)];
    return (await this.#database.read<{ key: string }>(orphans, columns)).map(({ key }) => key);
  }

  async accountsSince(): Promise<Millis> {
    return (await this.#database.read<{ since: number }>(since, []))[0]?.since ?? 0;
  }

  async addRemovals(removals: readonly NewRemoval[]): Promise<void> {
    const columns = [
      removals.map(({ key }) => key),
      removals.map(({ size }) => size),
      removals.map(({ createdAt }) => createdAt),
      removals.map(({ now }) => now),
    ];
    if (removals.length > 0) await this.#database.write(add, [...columns, this.#removalDelay]);
  }

  quarantined({ last, limit }: { last?: Digest; limit: number }): Promise<QuarantinedBlob[]> {
    return this.#database.read<QuarantinedBlob>(damaged, [last ?? '', limit]);
  }

  releaseBlob(digest: Digest, key: string): Promise<boolean> {
    return releaseBlob(this.#database, digest, key);
  }

  trimHistory({ before, buriedBefore = before, upTo, limit }: TrimmedHistory): Promise<number> {
    return call(this.#database, trim, [before, buriedBefore, upTo, limit]);
  }
}
