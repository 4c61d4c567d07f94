import type { RuleKind, RuleRow } from '../../rules.ts';
import type { Actor, Millis } from '../../store.ts';
import type { Connection } from '../connection.ts';
import { recordChange } from './changes.ts';

interface Known {
  uid: string;
  generation: number;
  document: string;
}

export function putRule(connection: Connection, rule: Omit<RuleRow, 'state'>): 'stored' | 'unchanged' | 'older' {
  const { kind, name, uid, generation, document, changedAt, changedBy } = rule;
  const known = connection.get<Known>(
    'SELECT uid, generation, document FROM rules WHERE kind = ? AND name = ?',
    kind,
    name,
  );
  const same = known?.uid === uid;
  if (same && known.generation > generation) return 'older';
  if (same && known.generation === generation && known.document === document) return 'unchanged';
  if (!same) connection.run('DELETE FROM rules WHERE kind = ? AND name = ?', kind, name);
  connection.run(
    `INSERT INTO rules (kind, name, uid, generation, document, changed_at, changed_by) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (kind, name) DO UPDATE SET generation = excluded.generation, document = excluded.document,
       changed_at = excluded.changed_at, changed_by = excluded.changed_by`,
    kind,
    name,
    uid,
    generation,
    document,
    changedAt,
    changedBy,
  );
  const change = { repository: '', rule: `${kind}/${name}`, at: changedAt, actor: changedBy };
  recordChange(connection, { ...change, kind: 'rule-put' });
  return 'stored';
}

export function deleteRule(
  connection: Connection,
  { kind, name, by }: { kind: RuleKind; name: string; by?: Actor | undefined },
): boolean {
  const { changes } = connection.run('DELETE FROM rules WHERE kind = ? AND name = ?', kind, name);
  if (changes === 0) return false;
  const change = { repository: '', rule: `${kind}/${name}`, at: by?.now ?? clock(connection), actor: by?.name ?? '' };
  recordChange(connection, { ...change, kind: 'rule-deleted' });
  return true;
}

function clock(connection: Connection): Millis {
  const sql = `SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now`;
  return connection.get<{ now: Millis }>(sql)?.now ?? 0;
}

export function putRuleState(
  connection: Connection,
  { kind, name, uid, state }: { kind: RuleKind; name: string; uid: string; state: string },
): boolean {
  const sql = 'UPDATE rules SET state = ? WHERE kind = ? AND name = ? AND uid = ?';
  return connection.run(sql, state, kind, name, uid).changes > 0;
}
