import type { Actor, Awaitable, Millis } from './store.ts';

/** What the registry was told to do beside serving: one document for each rule, with the generation that it is at. */
export interface Rules {
  rule(kind: RuleKind, name: string): Awaitable<RuleRow | undefined>;
  /** All of a kind in the order of their names. */
  rules(kind: RuleKind): Awaitable<RuleRow[]>;
  /**
   * Writes a rule. `older` where one of the same `uid` is there with a larger generation: nothing is written. A rule of another
   * `uid` is another rule of that name: its state is gone with the one before.
   */
  putRule(rule: Omit<RuleRow, 'state'>): Promise<'stored' | 'unchanged' | 'older'>;
  /** False where there is none. Its state goes with it. The feed of changes tells of each rule that came, changed or went. */
  deleteRule(kind: RuleKind, name: string, by?: Actor): Promise<boolean>;
  /** Keeps what the worker knows of a rule (JSON). False where the rule is gone, or another of its name has come (`uid`). */
  putRuleState(state: { kind: RuleKind; name: string; uid: string; state: string }): Promise<boolean>;
  /** Names this registry among those that copy from each other: made once, and the same as long as the database lives. */
  identity(): Awaitable<string>;
}

export type RuleKind = 'retention' | 'replication';

export interface RuleRow {
  readonly kind: RuleKind;
  readonly name: string;
  /** Of the resource that it comes from; a rule that was deleted and made again has another. */
  readonly uid: string;
  readonly generation: number;
  /** JSON. */
  readonly document: string;
  readonly changedAt: Millis;
  readonly changedBy: string;
  /** JSON of the worker: progress, totals, the last plan. */
  readonly state?: string;
}
