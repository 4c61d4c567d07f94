import type { CopyKey, CopyRow } from '../../replicating.ts';
import type { Connection } from '../connection.ts';

export interface CopyChanges {
  readonly rule: string;
  readonly target: string;
  readonly rows: readonly CopyRow[];
  readonly gone: readonly CopyKey[];
}

export function putCopies(connection: Connection, { rule, target, rows, gone }: CopyChanges): void {
  const forget = 'DELETE FROM copies WHERE rule = ? AND target = ? AND repository = ? AND tag = ?';
  for (const { repository, tag } of gone) connection.run(forget, rule, target, repository, tag);
  const put = `INSERT OR REPLACE INTO copies (rule, target, repository, tag, digest, referrers, copied_at, missing_since)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
  for (const { repository, tag, digest, referrers = null, copiedAt, missingSince = null } of rows)
    connection.run(put, rule, target, repository, tag, digest, referrers, copiedAt, missingSince);
}

/** Looks for the first target of the rule that is not kept, and forgets at most `limit` rows of it. False at the end. */
export function dropCopies(
  connection: Connection,
  { rule, keep, limit }: { rule: string; keep: readonly string[]; limit: number },
): boolean {
  const next = 'SELECT target FROM copies WHERE rule = ? AND target > ? ORDER BY target LIMIT 1';
  const kept = new Set(keep);
  let target = connection.get<{ target: string }>(next, rule, '')?.target;
  while (target !== undefined && kept.has(target))
    target = connection.get<{ target: string }>(next, rule, target)?.target;
  if (target === undefined) return false;
  const sql = `DELETE FROM copies WHERE (rule, target, repository, tag) IN (
    SELECT rule, target, repository, tag FROM copies WHERE rule = ? AND target = ? LIMIT ?)`;
  connection.run(sql, rule, target, limit);
  return true;
}
