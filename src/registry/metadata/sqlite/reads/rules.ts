import { type RawRule, ruleOf } from '../../raw-rule.ts';
import type { RuleKind, RuleRow } from '../../rules.ts';
import type { Connection } from '../connection.ts';

const COLUMNS = `kind, name, uid, generation, document, changed_at AS changedAt, changed_by AS changedBy, state`;

export function rule(connection: Connection, kind: RuleKind, name: string): RuleRow | undefined {
  const raw = connection.get<RawRule>(`SELECT ${COLUMNS} FROM rules WHERE kind = ? AND name = ?`, kind, name);
  return raw === undefined ? undefined : ruleOf(raw);
}

export function rules(connection: Connection, kind: RuleKind): RuleRow[] {
  return connection.all<RawRule>(`SELECT ${COLUMNS} FROM rules WHERE kind = ? ORDER BY name`, kind).map(ruleOf);
}

export function identity(connection: Connection): string {
  const row = connection.get<{ value: string }>('SELECT value FROM identity WHERE one = 1');
  if (row === undefined) throw new Error('the identity of this registry is missing from the metadata');
  return row.value;
}
