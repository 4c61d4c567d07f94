import type { Selection } from '../../domain/retention/selection.ts';
import type { RuleRow } from '../metadata/rules.ts';
import { type Millis, StoreError } from '../metadata/store.ts';
import type { Problem } from '../rules/keeper.ts';
import { applyApproved, RecordLost } from './apply.ts';
import { approvalProblem, remembering } from './approval.ts';
import { Conflicts } from './conflicts.ts';
import { type EvaluationParts, evaluatePolicy } from './evaluate.ts';
import { Evaluator } from './evaluator.ts';
import { Superseded } from './expire.ts';
import type { RetentionParts } from './parts.ts';
import {
  governing,
  isApproved,
  isDue,
  isRunnable,
  nextEvaluation,
  type PolicyRule,
  policyRules,
  type RunnableRule,
} from './policy-rule.ts';
import { repositoriesIn } from './repositories.ts';
import { saveState } from './save-state.ts';
import type { RetentionState } from './state.ts';
import type { Rescued } from './trash.ts';

/** After a failure a policy is tried again so much later, milliseconds. */
const RETRY = 10 * 60_000;
const MOST_EVENTS = 10;

export { amongOf } from './policy-rule.ts';

export interface Agenda {
  readonly rows: readonly RuleRow[];
  /** Names of those that somebody wants evaluated now. */
  readonly asked: ReadonlySet<string>;
  readonly rescued: readonly Rescued[];
  /** Other policies than at the last pass. */
  readonly changed: boolean;
  /** What was read of policies before, by document. */
  readonly read: Map<string, PolicyRule['spec']>;
  readonly signal: AbortSignal;
}

/** Evaluates the policies that are due, and applies plans that were approved. @returns when the next one is due */
export async function evaluatePolicies(parts: RetentionParts, agenda: Agenda): Promise<Millis> {
  const { now, metrics } = parts;
  let rules = await policyRules(agenda.rows, agenda.read, now());
  metrics.keepOnly(rules.map(({ row }) => row.name));
  rules = await Promise.all(rules.map((rule) => withEvents(parts, rule, agenda.rescued)));
  const govern = lazily(() => governing(rules));
  if (agenda.changed) rules = await withConflicts(parts, { rules, govern, signal: agenda.signal });
  const done = await carryOutAll(parts, agenda, { rules, govern });
  if (agenda.changed) await tidyRecords(parts, done);
  return Math.min(...done.map((rule) => dueAt(rule, now())));
}

async function carryOutAll(
  parts: RetentionParts,
  { asked, signal }: Agenda,
  { rules, govern }: { rules: readonly PolicyRule[]; govern: EvaluationParts['govern'] },
): Promise<PolicyRule[]> {
  const reported = (await parts.clusters.listed()).every(({ report }) => report !== undefined);
  const done: PolicyRule[] = [];
  const threads = new Threads(parts);
  const abandon = () => void threads.stop();
  signal.addEventListener('abort', abandon, { once: true });
  try {
    for (const rule of rules) {
      signal.throwIfAborted();
      const step = { threads, signal, govern, asked: asked.has(rule.row.name), reported };
      done.push({ ...rule, state: await attempt(parts, rule, step) });
    }
  } finally {
    signal.removeEventListener('abort', abandon);
    await threads.stop();
  }
  return done;
}

/** Made with the first repository that is asked about: most looks find nothing to do. */
function lazily(make: () => EvaluationParts['govern']): EvaluationParts['govern'] {
  let made: EvaluationParts['govern'] | undefined;
  return (repository) => {
    made ??= make();
    return made(repository);
  };
}

/** The thread that plans, from the first policy that needs it on. */
class Threads {
  readonly #parts: RetentionParts;
  #evaluator: Evaluator | undefined;
  #ending: Promise<void> | undefined;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  async evaluator(): Promise<Evaluator> {
    if (this.#evaluator === undefined) {
      await this.#parts.flushPulls();
      this.#evaluator = await Evaluator.start(this.#parts.places);
    }
    return this.#evaluator;
  }

  async stop(): Promise<void> {
    if (this.#evaluator !== undefined) this.#ending = this.#evaluator.stop();
    this.#evaluator = undefined;
    await this.#ending;
  }
}

interface Step {
  readonly threads: Threads;
  readonly signal: AbortSignal;
  readonly govern: EvaluationParts['govern'];
  readonly asked: boolean;
  readonly reported: boolean;
}

/** What one policy cannot do keeps no other one from doing it. */
async function attempt(parts: RetentionParts, rule: PolicyRule, step: Step): Promise<RetentionState> {
  try {
    return isRunnable(rule) ? await carryOut(parts, rule, step) : await refuse(parts, rule);
  } catch (error) {
    if (step.signal.aborted || error instanceof StoreError) throw error;
    // Whoever changed it has asked for another pass.
    if (error instanceof Superseded) return rule.state;
    // It may have been the thread that failed.
    await step.threads.stop();
    return fail(parts, rule, error);
  }
}

async function carryOut(parts: RetentionParts, rule: RunnableRule, step: Step): Promise<RetentionState> {
  const { asked, reported, signal, govern } = step;
  const resting = (rule.state.own.retryAt ?? 0) > parts.now() && rule.state.generation === rule.row.generation;
  if (resting && !asked) return rule.state;
  let current = rule;
  if (!rule.spec.suspend && reported && isApproved(rule, parts.now())) {
    const evaluation = { parts, evaluator: await step.threads.evaluator(), signal, govern };
    const applied = await applyApproved(evaluation, rule);
    if (applied !== undefined) current = { ...rule, state: applied };
  }
  if (isDue(current, { now: parts.now(), asked, reported }))
    return evaluatePolicy({ parts, evaluator: await step.threads.evaluator(), signal, govern }, current);
  return current.state.generation === current.row.generation ? current.state : settle(parts, current);
}

/** A change that asks for no evaluation is seen all the same. */
async function settle(parts: RetentionParts, rule: RunnableRule): Promise<RetentionState> {
  const { nextEvaluation: _, ...state } = rule.state;
  const problem = approvalProblem(rule, parts.now());
  const next: RetentionState = {
    ...state,
    generation: rule.row.generation,
    problems: [...state.problems.filter(({ type }) => type === 'Conflict'), ...(problem ? [problem] : [])],
    ...(!rule.spec.suspend && { nextEvaluation: nextEvaluation(rule, parts.now()) }),
  };
  await saveState(parts, rule, next);
  return next;
}

/** What an older version of the registry accepted, and this one does not understand. */
async function refuse(parts: RetentionParts, { row, spec, state }: PolicyRule): Promise<RetentionState> {
  const message = spec instanceof Error ? spec.message : '';
  if (state.generation === row.generation && state.problems.some((problem) => problem.message === message))
    return state;
  const next = { ...state, generation: row.generation, problems: [{ type: 'Invalid', reason: 'Invalid', message }] };
  await saveState(parts, { row, spec, state }, next);
  return next;
}

async function fail(parts: RetentionParts, rule: PolicyRule, error: unknown): Promise<RetentionState> {
  const { name } = rule.row;
  const why = error instanceof Error ? error.message : String(error);
  parts.log.warn(
    { err: error, policy: name },
    'a retention policy could not be evaluated; it is tried again in ten minutes',
  );
  const state = error instanceof RecordLost ? withoutPlan(rule.state) : rule.state;
  const failed: Problem = { type: 'EvaluationFailed', reason: 'EvaluationFailed', message: why };
  const next: RetentionState = {
    ...state,
    generation: rule.row.generation,
    problems: [...state.problems.filter(({ type }) => type !== 'EvaluationFailed'), failed],
    own: { ...state.own, retryAt: parts.now() + RETRY },
  };
  return saveState(parts, rule, next).then(
    () => next,
    () => rule.state,
  );
}

/** Its record is lost: it can be approved no more, and another one is made. */
function withoutPlan({ plan, own, nextEvaluation: _, ...state }: RetentionState): RetentionState {
  const { record: __, sum: ___, ...rest } = own;
  return { ...state, own: { ...rest, lapsed: remembering(own.lapsed, plan?.hash) } };
}

/** When a rule wants to be looked at again. */
function dueAt({ state: { nextEvaluation, own }, spec }: PolicyRule, now: Millis): Millis {
  if (!('mode' in spec) || spec.suspend) return Number.POSITIVE_INFINITY;
  if (own.retryAt !== undefined && own.retryAt > now) return own.retryAt;
  return nextEvaluation === undefined ? now : Date.parse(nextEvaluation);
}

/** Conflicts of all policies, also of those that are not due now. */
async function withConflicts(
  parts: RetentionParts,
  {
    rules,
    govern,
    signal,
  }: { rules: readonly PolicyRule[]; govern: (repository: string) => Selection | undefined; signal: AbortSignal },
): Promise<PolicyRule[]> {
  const found = new Map<string, Conflicts>();
  if (rules.length > 1)
    for await (const repository of repositoriesIn(parts.metadata, { include: ['**'] })) {
      signal.throwIfAborted();
      note(found, repository, govern(repository));
    }
  return Promise.all(
    rules.map(async (rule) => {
      const problem = found.get(rule.row.name)?.problem(rule.row.name);
      const before = rule.state.problems.find(({ type }) => type === 'Conflict');
      if (before?.message === problem?.message) return rule;
      const others = rule.state.problems.filter(({ type }) => type !== 'Conflict');
      const state = { ...rule.state, problems: [...(problem ? [problem] : []), ...others] };
      await saveState(parts, rule, state);
      return { ...rule, state };
    }),
  );
}

function note(found: Map<string, Conflicts>, repository: string, selection: Selection | undefined): void {
  if (selection === undefined || !('conflict' in selection)) return;
  for (const policy of selection.conflict) {
    const known = found.get(policy) ?? new Conflicts();
    known.add(repository, selection);
    found.set(policy, known);
  }
}

/** What came back out of the trash is told with the policy that had expired it. */
async function withEvents(parts: RetentionParts, rule: PolicyRule, rescued: readonly Rescued[]): Promise<PolicyRule> {
  const own = rescued.filter(({ policy }) => policy === rule.row.name);
  if (own.length === 0) return rule;
  const at = new Date(parts.now()).toISOString();
  const events = own.slice(0, MOST_EVENTS).map(({ repository, digest, tags }) => ({
    at,
    reason: 'RestoredInUse',
    message: `${repository}@${digest}${tags.length > 0 ? ` (${tags.join(', ')})` : ''} was restored: a cluster reports that it uses it`,
  }));
  const state = { ...rule.state, events: [...events, ...(rule.state.events ?? [])].slice(0, MOST_EVENTS) };
  await saveState(parts, rule, state);
  return { ...rule, state };
}

/** Plans of policies that are gone, and what a crash left behind. */
async function tidyRecords(parts: RetentionParts, rules: readonly PolicyRule[]): Promise<void> {
  const named = new Set(rules.map(({ state }) => state.own.record));
  const records = await parts.records();
  for await (const { name } of records.list('')) if (!named.has(name)) await records.remove(name);
}
