import type { RuleKind, RuleRow } from '../../rules.ts';
import type { Connection } from '../connection.ts';

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
  return 'stored';
}

export function deleteRule(connection: Connection, { kind, name }: { kind: RuleKind; name: string }): boolean {
  return connection.run('DELETE FROM rules WHERE kind = ? AND name = ?', kind, name).changes > 0;
}

export function putRuleState(
  connection: Connection,
  { kind, name, uid, state }: { kind: RuleKind; name: string; uid: string; state: string },
): boolean {
  const sql = 'UPDATE rules SET state = ? WHERE kind = ? AND name = ? AND uid = ?';
  return connection.run(sql, state, kind, name, uid).changes > 0;
}
