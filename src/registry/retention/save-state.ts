import { Superseded } from './expire.ts';
import type { RetentionParts } from './parts.ts';
import type { PolicyRule } from './policy-rule.ts';
import type { RetentionState } from './state.ts';

/**
 * Keeps what is known of a policy. A record that it no longer names is removed.
 * @throws Superseded where the policy is gone
 */
export async function saveState(
  parts: Pick<RetentionParts, 'metadata' | 'records'>,
  { row, state: before }: PolicyRule,
  state: RetentionState,
): Promise<void> {
  const { kind, name, uid } = row;
  const kept = await parts.metadata.putRuleState({ kind, name, uid, state: JSON.stringify(state) });
  if (!kept) throw new Superseded(`the policy ${name} is gone`);
  const { record } = before.own;
  if (record !== undefined && record !== state.own.record) await (await parts.records()).remove(record);
}
