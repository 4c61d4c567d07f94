import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { isJsonObject } from '../../domain/json.ts';
import { InvalidPolicy } from '../../domain/retention/policy.ts';
import { type Selection, type Selector, selectionOf } from '../../domain/retention/selection.ts';
import { nextTime } from '../../domain/schedule.ts';
import type { RuleRow } from '../metadata/rules.ts';
import type { Millis } from '../metadata/store.ts';
import { specOf } from './keeper.ts';
import { PATTERN, type RetentionSpec, readSpec } from './spec.ts';
import { type RetentionState, stateOf } from './state.ts';

/** A policy as the worker sees it. */
export interface PolicyRule {
  readonly row: RuleRow;
  /** What is wrong with it where this version of the registry cannot run it. */
  readonly spec: RetentionSpec | InvalidPolicy;
  readonly state: RetentionState;
}

export interface RunnableRule extends PolicyRule {
  readonly spec: RetentionSpec;
}

export function policyRule(row: RuleRow, now: Millis): PolicyRule {
  return { row, state: stateOf(row), spec: readRule(row, now) };
}

function readRule(row: RuleRow, now: Millis): PolicyRule['spec'] {
  try {
    return readSpec(specOf(row), now);
  } catch (error) {
    if (error instanceof InvalidPolicy) return error;
    throw error;
  }
}

/** Policies in one turn of the event loop: to read one takes a fifth of a millisecond. */
const TURN = 50;

/** The same of all of them. @param read what was read before, by document: it is kept up to date */
export async function policyRules(
  rows: readonly RuleRow[],
  read: Map<string, PolicyRule['spec']>,
  now: Millis,
): Promise<PolicyRule[]> {
  const rules: PolicyRule[] = [];
  const known = new Map(read);
  read.clear();
  for (const row of rows) {
    const spec = known.get(row.document) ?? readRule(row, now);
    read.set(row.document, spec);
    rules.push({ row, state: stateOf(row), spec });
    if (rules.length % TURN === 0) await turn();
  }
  return rules;
}

export function isRunnable(rule: PolicyRule): rule is RunnableRule {
  return !(rule.spec instanceof InvalidPolicy);
}

/**
 * Which of them governs a repository: also those that are suspended, or that this version of the registry does not understand, for
 * what is theirs must not fall to another one.
 */
export function governing(rules: readonly PolicyRule[]): (repository: string) => Selection | undefined {
  return selectionOf(rules.map(selectorOf));
}

/** Of one policy alone. */
export function selectorOf(rule: PolicyRule): Selector {
  const { name } = rule.row;
  return { name, ...(isRunnable(rule) ? rule.spec.repositories : { include: includedBy(rule) }) };
}

/** The names and patterns that can be read of a policy that cannot. What it excludes is its own as well. */
function includedBy({ row }: PolicyRule): readonly string[] {
  const spec = specOf(row);
  const repositories = isJsonObject(spec) ? spec.repositories : undefined;
  const include = isJsonObject(repositories) ? repositories.include : undefined;
  return Array.isArray(include) ? include.filter((text) => typeof text === 'string' && PATTERN.test(text)) : [];
}

/** Fingerprint of all policies: where it changes, there may be other conflicts. */
export function amongOf(rows: readonly RuleRow[]): string {
  return fingerprint(rows.map(({ name, uid, generation }) => [name, uid, generation]));
}

/** Fingerprint of what says what expires. */
export function policyKey({ policy, repositories, mode }: RetentionSpec): string {
  return fingerprint([policy, repositories, mode]);
}

function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 16);
}

/** The plan that waits for its approval, where there is one that still can be approved. */
export function frozenPlan(
  { spec, state }: RunnableRule,
  now: Millis,
): { hash: string; expiresAt: Millis } | undefined {
  const { plan, own } = state;
  if (spec.mode !== 'Approve' || plan?.hash === undefined || plan.expiresAt === undefined) return undefined;
  const expiresAt = Date.parse(plan.expiresAt);
  return own.policy === policyKey(spec) && expiresAt > now ? { hash: plan.hash, expiresAt } : undefined;
}

/** Whether the frozen plan is the one that was approved. */
export function isApproved(rule: RunnableRule, now: Millis): boolean {
  const frozen = frozenPlan(rule, now);
  return frozen !== undefined && frozen.hash === rule.spec.approvedPlan;
}

/** Whether it is time to evaluate it. `asked`: somebody wants it now; `reported`: all clusters have said what they run. */
export function isDue(
  rule: RunnableRule,
  { now, asked, reported }: { now: Millis; asked: boolean; reported: boolean },
) {
  const { spec, state, row } = rule;
  if (spec.suspend) return false;
  if (asked || (state.own.waiting === true && reported)) return true;
  const { nextEvaluation } = state;
  if (nextEvaluation === undefined || Date.parse(nextEvaluation) <= now) return true;
  if (state.generation === row.generation) return false;
  // A plan that waits for approval outlives changes of what does not concern it, such as the approval.
  return frozenPlan(rule, now) === undefined && !(spec.mode === 'Approve' && state.own.policy === policyKey(spec));
}

/** RFC 3339. */
export function nextEvaluation(rule: RunnableRule, now: Millis): string {
  const { schedule, timeZone } = rule.spec;
  const frozen = frozenPlan(rule, now);
  return new Date(frozen?.expiresAt ?? nextTime(schedule, now, timeZone)).toISOString();
}
