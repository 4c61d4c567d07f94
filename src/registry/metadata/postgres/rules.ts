import { type RawRule, ruleOf } from '../raw-rule.ts';
import type { RuleKind, RuleRow, Rules } from '../rules.ts';
import type { Actor } from '../store.ts';
import type { Database } from './database.ts';
import { named } from './names.ts';
import type { Statement } from './session.ts';
import { call } from './writes/blobs.ts';

const COLUMNS = 'kind, name, uid, generation, document, changed_at AS "changedAt", changed_by AS "changedBy", state';
const one: Statement = { name: 'rule', text: `SELECT ${COLUMNS} FROM rules WHERE kind = $1 AND name = $2` };
const all: Statement = { name: 'rules', text: `SELECT ${COLUMNS} FROM rules WHERE kind = $1 ORDER BY name` };
const put: Statement = { name: 'put_rule', text: named('SELECT fn.put_rule($1, $2, $3, $4, $5, $6, $7) AS value') };
const remove: Statement = {
  name: 'delete_rule',
  text: named('SELECT fn.delete_rule($1, $2, $3, $4) AS value'),
};
const state: Statement = {
  name: 'put_rule_state',
  text: 'UPDATE rules SET state = $4 WHERE kind = $1 AND name = $2 AND uid = $3 RETURNING 1 AS found',
};
const who: Statement = { name: 'identity', text: 'SELECT value FROM identity WHERE one = 1' };

/** Rules on PostgreSQL: any replica is told of them, and any may ask. */
export class PostgresRules implements Rules {
  #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async rule(kind: RuleKind, name: string): Promise<RuleRow | undefined> {
    return (await this.#database.read<RawRule>(one, [kind, name])).map(ruleOf)[0];
  }

  async rules(kind: RuleKind): Promise<RuleRow[]> {
    return (await this.#database.read<RawRule>(all, [kind])).map(ruleOf);
  }

  putRule(rule: Omit<RuleRow, 'state'>): Promise<'stored' | 'unchanged' | 'older'> {
    const { kind, name, uid, generation, document, changedAt, changedBy } = rule;
    return call(this.#database, put, [kind, name, uid, generation, document, changedAt, changedBy]);
  }

  deleteRule(kind: RuleKind, name: string, by?: Actor): Promise<boolean> {
    return call(this.#database, remove, [kind, name, by?.name ?? '', by?.now ?? null]);
  }

  async putRuleState(known: { kind: RuleKind; name: string; uid: string; state: string }): Promise<boolean> {
    return (await this.#database.write(state, [known.kind, known.name, known.uid, known.state])).length > 0;
  }

  async identity(): Promise<string> {
    const [row] = await this.#database.read<{ value: string }>(who, []);
    if (row === undefined) throw new Error('the identity of this registry is missing from the metadata');
    return row.value;
  }
}
