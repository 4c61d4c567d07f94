import type { Digest } from '../../../domain/oci/digest.ts';
import { copyOf, type RawCopy, type RawTagRecord, tagRecordOf } from '../raw-replicating.ts';
import type {
  CopyKey,
  CopyRow,
  ReferrerPair,
  ReplicatedDeletion,
  ReplicatedDeletionResult,
  Replicating,
  TagRecord,
} from '../replicating.ts';
import type { Database } from './database.ts';
import { named } from './names.ts';
import type { Statement } from './session.ts';
import { call } from './writes/blobs.ts';

const bury: Statement = {
  name: 'delete_replicated_tag',
  text: named('SELECT fn.delete_replicated_tag($1, $2, $3, $4, $5, $6, $7) AS value'),
};

const ID = '(SELECT id FROM repositories WHERE name = $1)';
const LIVE = `SELECT t.name AS tag, m.digest, m.media_type AS "mediaType", t.version, t.origin, t.changed_at AS "changedAt",
    m.pushed_at AS "pushedAt", NULL::text AS deleted
  FROM tags t JOIN manifests m ON m.id = t.manifest_id WHERE t.repository_id = ${ID} AND t.name`;
const BURIED = `SELECT name, digest, NULL, version, origin, deleted_at, NULL::bigint, kind
  FROM tag_tombstones WHERE repository_id = ${ID} AND name`;
/** One statement for both, so that a tag that is deleted meanwhile is in the list as one or as the other. */
const records: Statement = {
  name: 'tag_records',
  text: `(${LIVE} > $2 ORDER BY t.name LIMIT $3) UNION ALL (${BURIED} > $2 ORDER BY name LIMIT $3) ORDER BY tag LIMIT $3`,
};
const record: Statement = { name: 'tag_record', text: `${LIVE} = $2 UNION ALL ${BURIED} = $2` };

const pairs: Statement = {
  name: 'referrer_pairs',
  text: `SELECT m.subject, m.digest FROM unnest($2::text[]) AS q (subject)
    JOIN manifests m ON m.repository_id = ${ID} AND m.subject = q.subject LIMIT $3`,
};

const COPY = `c.repository, c.tag, c.digest, c.referrers, c.copied_at AS "copiedAt", c.missing_since AS "missingSince"`;
const list: Statement = {
  name: 'copies',
  text: `SELECT ${COPY} FROM copies c WHERE c.rule = $1 AND c.target = $2 AND (c.repository, c.tag) > ($3, $4)
    ORDER BY c.repository, c.tag LIMIT $5`,
};
const some: Statement = {
  name: 'copies_of',
  text: `SELECT ${COPY} FROM unnest($3::text[], $4::text[]) AS k (repository, tag)
    JOIN copies c ON c.rule = $1 AND c.target = $2 AND c.repository = k.repository AND c.tag = k.tag`,
};
const write: Statement = {
  name: 'put_copies',
  text: named('SELECT fn.put_copies($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)'),
};
const drop: Statement = { name: 'drop_copies', text: named('SELECT fn.drop_copies($1, $2, $3) AS value') };

/** Rows that one transaction forgets. */
const DROPPED_AT_ONCE = 1000;

/** What replication needs, on PostgreSQL. */
export class PostgresReplicating implements Replicating {
  #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  deleteReplicatedTag(deletion: ReplicatedDeletion): Promise<ReplicatedDeletionResult> {
    const { repository, tag, digest = null, replicated, by } = deletion;
    const { version, origin } = replicated;
    return call(this.#database, bury, [repository, tag, digest, by.name, by.now, version, origin]);
  }

  async tagRecords(repository: string, page: { last?: string; limit: number }): Promise<TagRecord[]> {
    const { last = '', limit } = page;
    return (await this.#database.read<RawTagRecord>(records, [repository, last, limit])).map(tagRecordOf);
  }

  async referrerPairs(repository: string, subjects: readonly Digest[], limit: number): Promise<ReferrerPair[]> {
    return await this.#database.read<ReferrerPair>(pairs, [repository, subjects, limit]);
  }

  async tagRecord(repository: string, tag: string): Promise<TagRecord | undefined> {
    return (await this.#database.read<RawTagRecord>(record, [repository, tag])).map(tagRecordOf)[0];
  }

  async copies(rule: string, target: string, page: { last?: CopyKey; limit: number }): Promise<CopyRow[]> {
    const { last, limit } = page;
    const values = [rule, target, last?.repository ?? '', last?.tag ?? '', limit];
    return (await this.#database.read<RawCopy>(list, values)).map(copyOf);
  }

  async copiesOf(rule: string, target: string, keys: readonly CopyKey[]): Promise<CopyRow[]> {
    if (keys.length === 0) return [];
    return (await this.#database.read<RawCopy>(some, [rule, target, ...columnsOf(keys)])).map(copyOf);
  }

  async putCopies(rule: string, target: string, rows: readonly CopyRow[], gone: readonly CopyKey[] = []) {
    if (rows.length + gone.length === 0) return;
    await this.#database.write(write, [
      rule,
      target,
      ...columnsOf(rows),
      rows.map(({ digest }) => digest),
      rows.map(({ referrers }) => referrers ?? null),
      rows.map(({ copiedAt }) => copiedAt),
      rows.map(({ missingSince }) => missingSince ?? null),
      ...columnsOf(gone),
    ]);
  }

  async dropCopies(rule: string, keep: readonly string[] = []): Promise<void> {
    while (await call<boolean>(this.#database, drop, [rule, keep, DROPPED_AT_ONCE]));
  }
}

function columnsOf(keys: readonly CopyKey[]): [string[], string[]] {
  return [keys.map(({ repository }) => repository), keys.map(({ tag }) => tag)];
}
