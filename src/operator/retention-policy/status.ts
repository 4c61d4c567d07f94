/** The status of a RetentionPolicy, put together from what the registry reports. Pure. */
import { annotations } from '../registry/names.ts';
import { describeBytes } from '../registry/quantity.ts';
import { type Problem, problemConditions } from '../rules/state.ts';
import { type ConditionInput, type Standing, standingConditions } from '../runtime/conditions.ts';
import type { StatusInput } from '../runtime/status.ts';
import type { RetentionPolicyResource, RetentionPolicyStatus } from './resource.ts';
import type { PolicyState } from './state.ts';

/** What a reconcile that got so far learnt. */
export interface Findings {
  state?: PolicyState;
  problems?: readonly Problem[];
  /** Value of the annotation that was acted upon. */
  handled?: string;
  /** Conditions of the operator's own. */
  warnings: Problem[];
}

/** The whole status: what was not learnt this time stays as it was. */
export function statusOf(policy: RetentionPolicyResource, standing: Standing, found: Findings): StatusInput {
  const generation = policy.metadata.generation ?? 0;
  const { conditions = [], ...earlier } = policy.status ?? {};
  const kept = found.problems === undefined ? problemsBefore(conditions) : [];
  return {
    ...earlier,
    ...reported(policy.status, found.state),
    ...(found.handled === undefined ? {} : { lastHandledReconcileAt: found.handled.slice(0, 253) }),
    observedGeneration: generation,
    conditions: [
      ...standingConditions(standing, generation),
      ...kept,
      ...problemConditions([...(found.problems ?? []), ...found.warnings], generation),
    ],
  };
}

/** Conditions that the operator sets by what it finds itself; the others are the registry's. */
const own = ['Ready', 'Reconciling', 'Stalled', 'RegistryUnreachable'];

function problemsBefore(conditions: NonNullable<RetentionPolicyStatus['conditions']>): ConditionInput[] {
  return conditions
    .filter(({ type }) => !own.includes(type))
    .map(({ lastTransitionTime: _, ...condition }) => condition);
}

function reported(before: RetentionPolicyStatus | undefined, state: PolicyState | undefined): object {
  if (state === undefined) return {};
  const { generation: _, ...fields } = state;
  // Undefined takes a value away again: status is compared through JSON.
  return {
    lastEvaluation: undefined,
    nextEvaluation: undefined,
    plan: undefined,
    totals: undefined,
    ...fields,
    inUse: settleInUse(before, state),
  };
}

/**
 * Reports come every minute, and a status that told each of them would be written as often. Their times and counts are as of
 * the last evaluation, or of the last change that matters: which clusters there are, whether they reported, and whether in time.
 */
function settleInUse(before: RetentionPolicyStatus | undefined, state: PolicyState): PolicyState['inUse'] {
  const known = before?.inUse;
  if (known === undefined || before?.lastEvaluation !== state.lastEvaluation) return state.inUse;
  return standsFor(known) === standsFor(state.inUse) ? (known as PolicyState['inUse']) : state.inUse;
}

function standsFor(inUse: RetentionPolicyStatus['inUse'] | PolicyState['inUse']): string {
  return JSON.stringify(
    (inUse?.clusters ?? []).map(({ name, reportedAt, stale, namespaces }) => [
      name,
      reportedAt !== undefined,
      stale === true,
      namespaces,
    ]),
  );
}

/** Where a policy stands that the registry carries out, in its mode's words. */
export function inForce({ spec, metadata }: RetentionPolicyResource, { state, problems = [] }: Findings): Standing {
  if ((state?.generation ?? -1) < (metadata.generation ?? 0)) {
    return { state: 'progressing', reason: 'LoadingPolicy', message: 'the registry has the policy, and is reading it' };
  }
  if (spec.suspend === true) {
    return ready('Suspended', 'spec.suspend is true: nothing is evaluated, and nothing expires');
  }
  const but = problems.length === 0 ? '' : `; but see ${problems.map(({ type }) => type).join(', ')}`;
  return ready('InForce', `${modeMessage(spec, state)}${but}`);
}

function modeMessage(
  { mode = 'Enforce', approvedPlan }: RetentionPolicyResource['spec'],
  state: PolicyState | undefined,
): string {
  const plan = state?.plan;
  const expiring = plan?.expiring ?? 0;
  if (mode === 'Enforce') return 'in force: what the rules say expires';
  if (plan?.hash === undefined) return `in force: in mode ${mode} nothing has been planned yet`;
  const what = `${expiring} ${expiring === 1 ? 'image' : 'images'} (${describeBytes(plan.expiringBytes ?? 0)})`;
  if (mode === 'DryRun') return `in force: the last plan would expire ${what}, but in mode DryRun nothing expires`;
  if (expiring === 0) return 'in force: the last plan expires nothing';
  if (approvedPlan === plan.hash) return `in force: the plan ${plan.hash} is approved`;
  return `in force: a plan that expires ${what} waits until spec.approvedPlan is ${plan.hash}`;
}

function ready(reason: string, message: string): Standing {
  return { state: 'ready', reason, message };
}

/** The request for a look at once that was not yet acted upon. */
export function askedToRun({ metadata, status }: RetentionPolicyResource): string | undefined {
  const asked = metadata.annotations?.[annotations.reconcileAt];
  return asked === undefined || asked.slice(0, 253) === status?.lastHandledReconcileAt ? undefined : asked;
}
