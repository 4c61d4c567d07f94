import type { Digest } from '../../../../domain/oci/digest.ts';
import { copyOf, type RawCopy, type RawTagRecord, tagRecordOf } from '../../raw-replicating.ts';
import type { CopyKey, CopyRow, ReferrerPair, TagRecord } from '../../replicating.ts';
import type { Connection } from '../connection.ts';

const ID = '(SELECT id FROM repositories WHERE name = ?1)';
const LIVE = `SELECT t.name AS tag, m.digest, m.media_type AS mediaType, t.version, t.origin, t.changed_at AS changedAt,
    m.pushed_at AS pushedAt, NULL AS deleted
  FROM tags t JOIN manifests m ON m.id = t.manifest_id WHERE t.repository_id = ${ID} AND t.name`;
const BURIED = `SELECT name AS tag, digest, NULL AS mediaType, version, origin, deleted_at AS changedAt, NULL AS pushedAt, kind AS deleted
  FROM tag_tombstones WHERE repository_id = ${ID} AND name`;

/** One statement for both, so that a tag that is deleted meanwhile is in the list as one or as the other. */
export function tagRecords(
  connection: Connection,
  repository: string,
  { last = '', limit }: { last?: string; limit: number },
): TagRecord[] {
  const sql = `${LIVE} > ?2 UNION ALL ${BURIED} > ?2 ORDER BY tag LIMIT ?3`;
  return connection.all<RawTagRecord>(sql, repository, last, limit).map(tagRecordOf);
}

export function tagRecord(connection: Connection, repository: string, tag: string): TagRecord | undefined {
  const raw = connection.get<RawTagRecord>(`${LIVE} = ?2 UNION ALL ${BURIED} = ?2`, repository, tag);
  return raw === undefined ? undefined : tagRecordOf(raw);
}

/** Each of the subjects is looked up in the index: the order of the join is the order it is written in. */
const PAIRS = `SELECT m.subject, m.digest FROM json_each(?2) CROSS JOIN manifests m
  WHERE m.repository_id = ${ID} AND m.subject = json_each.value LIMIT ?3`;

export function referrerPairs(
  connection: Connection,
  repository: string,
  { subjects, limit }: { subjects: readonly Digest[]; limit: number },
): ReferrerPair[] {
  return connection.all<ReferrerPair>(PAIRS, repository, JSON.stringify(subjects), limit);
}

const COPY = `SELECT repository, tag, digest, referrers, copied_at AS copiedAt, missing_since AS missingSince FROM copies
    WHERE rule = ? AND target = ?`;

/** A rule and one of its targets. */
export interface Route {
  readonly rule: string;
  readonly target: string;
}

export function copies(
  connection: Connection,
  { rule, target }: Route,
  { last, limit }: { last?: CopyKey; limit: number },
): CopyRow[] {
  const sql = `${COPY} AND (repository, tag) > (?, ?) ORDER BY repository, tag LIMIT ?`;
  const after = [last?.repository ?? '', last?.tag ?? ''] as const;
  return connection.all<RawCopy>(sql, rule, target, ...after, limit).map(copyOf);
}

export function copiesOf(connection: Connection, { rule, target }: Route, keys: readonly CopyKey[]): CopyRow[] {
  const sql = `${COPY} AND repository = ? AND tag = ?`;
  return keys.flatMap(({ repository, tag }) => {
    const raw = connection.get<RawCopy>(sql, rule, target, repository, tag);
    return raw === undefined ? [] : [copyOf(raw)];
  });
}
