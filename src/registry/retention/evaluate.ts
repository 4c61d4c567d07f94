import { createHash, randomBytes } from 'node:crypto';
import type {
  RetentionPolicyStatusPlan,
  RetentionPolicyStatusPlanImage,
} from '../../api/v1alpha1/retention-policy.gen.ts';
import type { Selection } from '../../domain/retention/selection.ts';
import { approvalProblem, remembering } from './approval.ts';
import { Conflicts } from './conflicts.ts';
import { MOST_SHOWN, type RepositoryPlan } from './evaluation.ts';
import type { Evaluator } from './evaluator.ts';
import { carryOut, type Execution, requireUnchanged, type Tally } from './expire.ts';
import type { RetentionParts } from './parts.ts';
import { PlanHash } from './plan-hash.ts';
import { PlanWriter } from './plan-record.ts';
import { nextEvaluation, policyKey, type RunnableRule } from './policy-rule.ts';
import { repositoriesIn } from './repositories.ts';
import { saveState } from './save-state.ts';
import type { RetentionState } from './state.ts';

/** For how long a plan waits for its approval, milliseconds. */
const APPROVABLE = 7 * 24 * 3_600_000;

export interface EvaluationParts {
  readonly parts: RetentionParts;
  readonly evaluator: Evaluator;
  readonly signal: AbortSignal;
  /** Which policy governs a repository. */
  readonly govern: (repository: string) => Selection | undefined;
}

/** Sums of all repositories. */
class Header {
  readonly #hash = new PlanHash();
  readonly #images: RetentionPolicyStatusPlanImage[] = [];
  expiring = 0;
  keeping = 0;
  blockedInUse = 0;
  expiringBytes = 0;

  add(repository: string, plan: RepositoryPlan): void {
    this.#hash.add(repository, plan.hash);
    this.expiring += plan.expiring;
    this.keeping += plan.keeping;
    this.blockedInUse += plan.blockedInUse;
    this.expiringBytes += plan.expiringBytes;
    this.#images.push(...plan.first.slice(0, MOST_SHOWN - this.#images.length));
  }

  get set(): string {
    return this.#hash.value;
  }

  get images(): readonly RetentionPolicyStatusPlanImage[] {
    return this.#images;
  }
}

/**
 * Evaluates a policy in all repositories that it governs, carries the plan out where its mode is Enforce, and keeps what came of it.
 * @throws Superseded where the policy was changed meanwhile
 */
export async function evaluatePolicy(
  { parts, evaluator, signal, govern }: EvaluationParts,
  rule: RunnableRule,
): Promise<RetentionState> {
  const { name } = rule.row;
  const began = parts.now();
  const header = new Header();
  const conflicts = new Conflicts();
  const tally: Tally = { expired: 0, expiredBytes: 0 };
  const record = new PlanWriter(() => parts.records(), recordName(name, began));
  const inUse = { ...parts.inUse(), now: began };
  const { clusters } = inUse;
  const { revision, missing } = await evaluator.ask({ ask: 'load', inUse });
  const acts = rule.spec.mode === 'Enforce' && missing.length === 0;
  const note: Execution['note'] = (images) => record.write(images);
  const execution: Execution = {
    parts,
    rule,
    evaluator,
    signal,
    tally,
    note,
    revision: acts ? revision : null,
    clusters,
  };
  try {
    for await (const repository of repositoriesIn(parts.metadata, rule.spec.repositories)) {
      signal.throwIfAborted();
      const selection = govern(repository);
      if (isConflictOf(selection, name)) conflicts.add(repository, selection);
      else if (isGovernedBy(selection, name)) header.add(repository, await carryOutIn(execution, repository));
    }
    const stored = await record.finish();
    const waiting = rule.spec.mode === 'Enforce' && (!acts || execution.revision === null);
    return await conclude(parts, rule, { header, conflicts, tally, stored, waiting, began });
  } catch (error) {
    await record.abandon();
    // What went is gone, whatever became of the rest.
    if (tally.expired > 0) await saveState(parts, rule, { ...rule.state, totals: added(rule.state, tally, 0) });
    throw error;
  }
}

function isConflictOf(
  selection: Selection | undefined,
  name: string,
): selection is Extract<Selection, { conflict: unknown }> {
  return selection !== undefined && 'conflict' in selection && selection.conflict.includes(name);
}

/** Whether this policy alone speaks of the repository. */
export function isGovernedBy(selection: Selection | undefined, name: string): boolean {
  return selection !== undefined && 'policy' in selection && selection.policy === name;
}

async function carryOutIn(execution: Execution, repository: string): Promise<RepositoryPlan> {
  const { parts, rule, evaluator } = execution;
  await requireUnchanged(execution);
  const plan = await evaluator.ask({ ask: 'plan', repository, policy: rule.spec.policy, now: parts.now() });
  if (plan.expiring > 0) await carryOut(execution, repository, false);
  return plan;
}

interface Conclusion {
  readonly header: Header;
  readonly conflicts: Conflicts;
  readonly tally: Tally;
  /** The record with the whole plan. */
  readonly stored: { record: string; sum: string } | undefined;
  readonly waiting: boolean;
  readonly began: number;
}

async function conclude(parts: RetentionParts, rule: RunnableRule, found: Conclusion): Promise<RetentionState> {
  const { header, tally, stored, waiting, began } = found;
  const { row, spec, state } = rule;
  const now = parts.now();
  const { retryAt: _, ...own } = state.own;
  const { expiring, blockedInUse } = header;
  parts.metrics.evaluated(row.name, { seconds: (now - began) / 1000, expiring, blockedInUse });
  const plan = planOf(rule, header, now);
  const lapsed = remembering(state.own.lapsed, state.plan?.hash === plan.hash ? undefined : lapsedHash(state));
  const next: RetentionState = {
    ...state,
    generation: row.generation,
    lastEvaluation: new Date(began).toISOString(),
    plan,
    totals: added(state, tally, header.blockedInUse),
    own: {
      ...own,
      policy: policyKey(spec),
      waiting,
      lapsed,
      record: stored?.record,
      sum: stored?.sum,
    },
  };
  const done: RunnableRule = { ...rule, state: next };
  const problems = [found.conflicts.problem(row.name), approvalProblem(done, now)].filter((one) => one !== undefined);
  const whole: RetentionState = { ...next, problems, nextEvaluation: nextEvaluation(done, now) };
  await saveState(parts, rule, whole);
  return whole;
}

/** Of a plan that could have been approved, and was not. */
function lapsedHash({ plan, own }: RetentionState): string | undefined {
  return plan?.expiresAt === undefined || (plan.hash !== undefined && own.applied?.includes(plan.hash))
    ? undefined
    : plan.hash;
}

function planOf({ row, spec, state }: RunnableRule, header: Header, now: number): RetentionPolicyStatusPlan {
  const approvable = spec.mode === 'Approve' && header.expiring > 0;
  return {
    hash: approvable ? unusedHash(header.set, state) : header.set,
    createdAt: new Date(now).toISOString(),
    ...(approvable && { expiresAt: new Date(now + APPROVABLE).toISOString() }),
    expiring: header.expiring,
    keeping: header.keeping,
    blockedInUse: header.blockedInUse,
    expiringBytes: header.expiringBytes,
    url: `/admin/v1/retention/${row.name}/plan`,
    images: [...header.images],
  };
}

/** An approval is good for one plan: one of the same images later on has another hash. */
function unusedHash(set: string, { own }: RetentionState): string {
  let hash = set;
  while (own.applied?.includes(hash) || own.lapsed?.includes(hash))
    hash = `sha256:${createHash('sha256').update(hash).digest('hex')}`;
  return hash;
}

function added({ totals }: RetentionState, { expired, expiredBytes }: Tally, blockedInUse: number) {
  return {
    expired: totals.expired + expired,
    expiredBytes: totals.expiredBytes + expiredBytes,
    blockedInUse: totals.blockedInUse + blockedInUse,
  };
}

function recordName(policy: string, now: number): string {
  return `${policy}/${now}-${randomBytes(4).toString('hex')}.ndjson.zst`;
}
