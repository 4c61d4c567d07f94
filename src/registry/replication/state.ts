/** What is told of a rule: shaped like `status` of the resource. */
import type {
  ReplicationRuleStatusLastPlan,
  ReplicationRuleStatusTarget,
} from '../../api/v1alpha1/replication-rule.gen.ts';
import type { RuleRow } from '../metadata/rules.ts';
import type { Problem } from '../rules/keeper.ts';

export interface ReplicationState {
  /** That the worker has taken up. */
  readonly generation: number;
  readonly targets: readonly ReplicationRuleStatusTarget[];
  readonly lastPlan?: ReplicationRuleStatusLastPlan;
  /** RFC 3339. */
  readonly nextSchedule?: string;
  readonly problems: readonly Problem[];
  /** Who the registries are that the rule names. */
  readonly peers: Peers;
}

/** Identities of registries of this project; null for others; what was not reached yet is left out. */
export interface Peers {
  readonly source?: string | null;
  /** By target, as the rule writes it. */
  readonly targets: Readonly<Record<string, string | null>>;
}

/** What the last worker left; undefined where there is nothing, or nothing that can be read. */
export function stateOf({ state }: Pick<RuleRow, 'state'>): ReplicationState | undefined {
  if (state === undefined) return undefined;
  try {
    const known = JSON.parse(state) as Partial<ReplicationState>;
    return { generation: -1, targets: [], problems: [], ...known, peers: { targets: {}, ...known.peers } };
  } catch {
    return undefined;
  }
}

export function rfc3339(at: number): string {
  return new Date(at).toISOString();
}
