import type { RuleRow } from './rules.ts';

/** A row of `rules` as SQL gives it: NULL where its worker has said nothing yet. */
export interface RawRule extends Omit<RuleRow, 'state'> {
  readonly state: string | null;
}

/** The rule that a row says. */
export function ruleOf({ state, ...rule }: RawRule): RuleRow {
  return state === null ? { ...rule } : { ...rule, state };
}
