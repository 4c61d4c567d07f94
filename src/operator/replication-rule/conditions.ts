/** Where a rule stands and whether its targets are in step, from what the working registry tells. Pure. */
import type { Standing } from '../runtime/conditions.ts';
import type { ReplicationRuleSpec } from './resource.ts';
import type { Problem, RuleState, TargetState } from './state.ts';

export interface Finding {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** The types that are good when they are true; a problem of any other type makes its condition true. */
const good = new Set(['Ready', 'InSync']);

/** Where the rule stands once the registry has it. */
export function standingOf(spec: ReplicationRuleSpec, generation: number, state: RuleState | undefined): Standing {
  if (state === undefined || (state.generation ?? -1) < generation) {
    const message = `the registry has the rule, and has not taken up generation ${generation} yet`;
    return { state: 'progressing', reason: 'Applying', message };
  }
  const stalled = state.problems.find(({ type }) => type === 'Stalled');
  if (stalled !== undefined) return { state: 'stalled', reason: stalled.reason, message: stalled.message };
  const failing = state.problems.find(({ type }) => type === 'Ready');
  if (failing !== undefined) return { state: 'failing', reason: failing.reason, message: failing.message };
  if (spec.suspend === true) return ready('Suspended', 'spec.suspend is true: nothing is copied until it is false');
  if (spec.dryRun === true) return ready('DryRun', 'spec.dryRun is true: status.lastPlan shows what it would do');
  const { status, message } = inSync(spec, state);
  return ready('InForce', status === 'True' ? 'every target has what it should' : `in force; ${message}`);
}

/** The conditions beside Ready, Reconciling and Stalled. */
export function findingsOf(spec: ReplicationRuleSpec, state: RuleState): Finding[] {
  const others = state.problems.filter(({ type }) => !['Ready', 'Stalled', 'Reconciling', 'InSync'].includes(type));
  const findings = [inSync(spec, state), ...others.map(toFinding)];
  if (!findings.some(({ type }) => type === 'Conflicted')) findings.push(...conflicted(state));
  // One of a type: the status is a map.
  return findings.filter(({ type }, index) => findings.findIndex((each) => each.type === type) === index);
}

function inSync(spec: ReplicationRuleSpec, state: RuleState): Finding {
  const finding = (status: Finding['status'], reason: string, message: string) => {
    return { type: 'InSync', status, reason, message };
  };
  const { targets } = state;
  const told = state.problems.find(({ type }) => type === 'InSync');
  if (told !== undefined) return toFinding(told);
  const failed = sum(targets, 'failed');
  if (failed > 0) return finding('False', 'CopyFailed', failureMessage(targets, failed));
  const stalled = state.problems.find(({ type }) => type === 'Stalled');
  if (stalled !== undefined) return finding('Unknown', stalled.reason, stalled.message);
  const pending = sum(targets, 'pending');
  if (spec.suspend === true) return finding('Unknown', 'Suspended', 'nothing is compared while spec.suspend is true');
  if (pending > 0)
    return finding('False', 'Copying', `${pending} ${pending === 1 ? 'tag waits' : 'tags wait'} to be copied`);
  const { copy = 0, delete: deletes = 0 } = state.lastPlan ?? {};
  if (spec.dryRun === true && copy + deletes > 0) {
    return finding('False', 'DryRun', `${copy} tags would be copied and ${deletes} deleted`);
  }
  const compared = targets.length > 0 && targets.every(({ lastSuccess }) => lastSuccess !== undefined);
  if (compared || (spec.dryRun === true && state.lastPlan !== undefined)) {
    return finding('True', 'InStep', 'every target has what it should');
  }
  return finding('Unknown', 'NotCompared', 'source and targets have not been compared whole yet');
}

function failureMessage(targets: readonly TargetState[], failed: number): string {
  const count = `${failed} ${failed === 1 ? 'tag' : 'tags'} could not be copied at the last attempt, and will be tried again`;
  for (const { target, failures = [] } of targets) {
    const [first] = failures;
    if (first !== undefined) return `${count}; ${first.reference} to ${target}: ${first.message}`.slice(0, 4096);
  }
  return count;
}

function conflicted({ targets }: RuleState): Finding[] {
  const conflicts = sum(targets, 'conflicts');
  if (conflicts === 0) return [];
  const where = targets.filter((each) => (each.conflicts ?? 0) > 0).map(({ target }) => target);
  const message = `${conflicts} ${conflicts === 1 ? 'tag was' : 'tags were'} moved by somebody else at ${where.join(', ')}`;
  return [{ type: 'Conflicted', status: 'True', reason: 'TagsMoved', message: message.slice(0, 4096) }];
}

function toFinding({ type, reason, message }: Problem): Finding {
  return { type, status: good.has(type) ? 'False' : 'True', reason, message };
}

function sum(targets: readonly TargetState[], field: 'pending' | 'failed' | 'conflicts'): number {
  return targets.reduce((total, target) => total + (target[field] ?? 0), 0);
}

function ready(reason: string, message: string): Standing {
  return { state: 'ready', reason, message };
}
