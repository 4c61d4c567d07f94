/** The status of a rule, put together in one place. Pure. */
import type { Condition, ConditionInput, Standing } from '../runtime/conditions.ts';
import { standingConditions } from '../runtime/conditions.ts';
import type { StatusInput } from '../runtime/status.ts';
import { type Finding, findingsOf } from './conditions.ts';
import type { ReplicationRuleResource } from './resource.ts';
import { type RuleState, toldStatus } from './state.ts';

export interface Told {
  readonly standing: Standing;
  /** Undefined where the registry told nothing this time: what was known stays. */
  readonly state?: RuleState | undefined;
  /** Value of the annotation that was acted upon. */
  readonly handled?: string | undefined;
}

export function statusOf(rule: ReplicationRuleResource, { standing, state, handled }: Told): StatusInput {
  const generation = rule.metadata.generation ?? 0;
  const { conditions: before = [], lastHandledReconcileAt, ...known } = rule.status ?? {};
  const at = handled ?? lastHandledReconcileAt;
  return {
    ...(state === undefined ? known : toldStatus(state)),
    ...(at === undefined ? {} : { lastHandledReconcileAt: at }),
    observedGeneration: generation,
    conditions: [
      ...standingConditions(standing, generation),
      ...(state === undefined ? kept(before as Condition[]) : judged(findingsOf(rule.spec, state), generation)),
    ],
  };
}

function judged(findings: readonly Finding[], observedGeneration: number): ConditionInput[] {
  return findings.map((finding) => ({ ...finding, observedGeneration }));
}

/** What was last known of the targets is not unmade by not knowing; but nobody can say that they are in step now. */
function kept(before: readonly Condition[]): ConditionInput[] {
  return before
    .filter(({ type }) => !['Ready', 'Reconciling', 'Stalled'].includes(type))
    .map(({ lastTransitionTime: _, ...condition }) => {
      if (condition.type !== 'InSync' || condition.status !== 'True') return condition;
      const message = 'the working registry does not tell how far the targets are';
      return { ...condition, status: 'Unknown', reason: 'NotTold', message };
    });
}
