import type {
  ReplicationRuleStatusLastPlan,
  ReplicationRuleStatusTarget,
} from '../../api/v1alpha1/replication-rule.gen.ts';
import type { Problem } from '../rules/keeper.ts';
import type { LoadedRule } from './document.ts';
import { failureOf } from './failure.ts';
import type { Lane } from './lane.ts';
import type { Failure } from './pending.ts';
import type { Side } from './side.ts';
import { type Peers, type ReplicationState, rfc3339 } from './state.ts';

/** What is known of a rule as a whole. */
export interface Outlook {
  lastPlan: ReplicationRuleStatusLastPlan | undefined;
  /** Milliseconds since the epoch. */
  nextSchedule: number;
  /** Tags that were to be deleted, and were not because there were too many. */
  halted: number;
  /** Why the targets kept tags that were to be deleted. */
  kept: readonly Failure[];
  /** Why the last comparison was not complete. */
  faults: readonly Fault[];
}

/** What kept a comparison from being whole. */
export interface Fault extends Failure {
  /** Absent where it is not that of one target: then nothing goes on anywhere. */
  readonly target?: string;
}

/** Failures that are told of at each target. */
const mostFailures = 10;

export function reported(loaded: LoadedRule, source: Side, lanes: readonly Lane[], outlook: Outlook): ReplicationState {
  const { lastPlan, nextSchedule } = outlook;
  return {
    generation: loaded.generation,
    targets: lanes.map(targetOf),
    ...(lastPlan !== undefined && { lastPlan }),
    ...(!loaded.rule.suspend && { nextSchedule: rfc3339(nextSchedule) }),
    problems: problemsOf(loaded, lanes, outlook),
    peers: peersOf(source, lanes),
  };
}

function targetOf(lane: Lane): ReplicationRuleStatusTarget {
  const { place, pending, lastSuccess, lagSince, conflicts, traffic } = lane;
  const failing = [...pending.failing()];
  return {
    target: place.text,
    ...(lastSuccess !== undefined && { lastSuccess: rfc3339(lastSuccess) }),
    ...(lagSince !== undefined && { oldestPendingSince: rfc3339(lagSince) }),
    pending: pending.size,
    failed: failing.length,
    conflicts: conflicts.size,
    bytesTransferred: traffic.sent,
    failures: failing.slice(0, mostFailures).flatMap(({ key, failure }) => {
      if (failure === undefined) return [];
      const { reason, message, at } = failure;
      return [{ reference: key, reason, message, time: rfc3339(at) }];
    }),
  };
}

function problemsOf({ rule }: LoadedRule, lanes: readonly Lane[], { halted, kept, faults }: Outlook): Problem[] {
  const problems: Problem[] = faultsOf(lanes, faults);
  const [first] = kept;
  if (first !== undefined && halted === 0) problems.push(keptOf(kept.length, first));
  if (halted > 0) problems.push(haltedOf(halted, rule.deletion?.maxPerRun ?? 0));
  const conflicts = lanes.flatMap((lane) => [...lane.conflicts.keys()].map((key) => `${key} at ${lane.place.text}`));
  if (conflicts.length > 0) problems.push(...conflictsOf(conflicts, rule.onConflict === 'Fail'));
  return problems;
}

/** The rule is stalled where nothing goes on before somebody acts: at the source, or at each of the targets. */
function faultsOf(lanes: readonly Lane[], faults: readonly Fault[]): Problem[] {
  const everywhere = faults.filter(({ target }) => target === undefined);
  const each = lanes.map(({ breaker, place }) => {
    return breaker.fault === undefined ? worstOf(faults, place.text) : failureOf(breaker.fault, 0);
  });
  const told = (type: string, { reason, message }: Failure) => [{ type, reason, message }];
  const stalled =
    everywhere.find(isStalled) ?? (each.every((fault) => fault && isStalled(fault)) ? each[0] : undefined);
  if (stalled !== undefined) return told('Stalled', stalled);
  const found = each.filter((fault) => fault !== undefined);
  const worst = everywhere[0] ?? found.find(isStalled) ?? found[0];
  return worst === undefined ? [] : told('InSync', worst);
}

function worstOf(faults: readonly Fault[], target: string): Failure | undefined {
  const its = faults.filter((fault) => fault.target === target);
  return its.find(isStalled) ?? its[0];
}

function isStalled({ course }: Failure): boolean {
  return course === 'stalled';
}

function haltedOf(halted: number, most: number): Problem {
  const message = `the source lacks ${halted} tags that were copied, and deletion.maxPerRun is ${most}: none is deleted. Are they gone on purpose? Then raise deletion.maxPerRun; else put them back`;
  return { type: 'DeletionHalted', reason: 'TooManyDeletions', message };
}

function keptOf(count: number, { message }: Failure): Problem {
  const more = count === 1 ? '' : `; and ${count - 1} more`;
  return { type: 'DeletionHalted', reason: 'DeletionFailed', message: `${message}${more}` };
}

function conflictsOf(conflicts: readonly string[], fails: boolean): Problem[] {
  const some = conflicts.slice(0, 10).join(', ');
  const more = conflicts.length > 10 ? ` and ${conflicts.length - 10} more` : '';
  const message = `somebody else moved or deleted ${some}${more}, and they are left as they are: put them back there, or set onConflict: Override`;
  const conflicted = { type: 'Conflicted', reason: 'TagsMoved', message };
  return fails ? [conflicted, { type: 'Ready', reason: 'Conflicted', message }] : [conflicted];
}

function peersOf(source: Side, lanes: readonly Lane[]): Peers {
  const targets: Record<string, string | null> = {};
  for (const { place } of lanes) if (place.side.identity !== undefined) targets[place.text] = place.side.identity;
  return { targets, ...(source.identity !== undefined && { source: source.identity }) };
}
