import type { Readable } from 'node:stream';
import { approvalProblem, remembering } from './approval.ts';
import { type EvaluationParts, isGovernedBy } from './evaluate.ts';
import { carryOut, type Execution, requireUnchanged, type Tally } from './expire.ts';
import { isWhole, planImages, planText } from './plan-record.ts';
import type { RunnableRule } from './policy-rule.ts';
import { saveState } from './save-state.ts';
import type { RetentionState } from './state.ts';

/** A plan that was frozen is not there any more, or is not what it was. */
export class RecordLost extends Error {}

/**
 * Applies the frozen plan of a policy, which was approved: what is in it, less what is in use, protected, changed or no longer
 * expired by the rules now. Undefined where it has to wait, because some cluster has not reported.
 * @throws RecordLost where the record of the plan is not what was approved
 */
export async function applyApproved(
  { parts, evaluator, signal, govern }: EvaluationParts,
  rule: RunnableRule,
): Promise<RetentionState | undefined> {
  const { row, state } = rule;
  const inUse = { ...parts.inUse(), now: parts.now() };
  const { revision, missing } = await evaluator.ask({ ask: 'load', inUse });
  if (missing.length > 0) return undefined;
  await requireWhole(parts, rule);
  const tally: Tally = { expired: 0, expiredBytes: 0 };
  const note = async () => undefined;
  const execution: Execution = { parts, rule, evaluator, signal, tally, note, revision, clusters: inUse.clusters };
  try {
    await applyAll(execution, govern);
  } catch (error) {
    if (tally.expired > 0) await saveState(parts, rule, { ...state, totals: totalsWith(state, tally) });
    throw error;
  }
  if (execution.revision === null) return undefined;
  parts.log.info({ policy: row.name, plan: state.plan?.hash, ...tally }, 'the approved plan was applied');
  return conclude(parts, rule, tally);
}

/** One repository after the other: in the record they stand together. */
async function applyAll(execution: Execution, govern: EvaluationParts['govern']): Promise<void> {
  const { parts, rule, evaluator, signal } = execution;
  let open: { repository: string; ours: boolean } | undefined;
  const finish = async () => {
    if (open?.ours) await carryOut(execution, open.repository, true);
  };
  for await (const { repository, images } of planImages(await textOf(parts, rule))) {
    signal.throwIfAborted();
    if (repository !== open?.repository) {
      await finish();
      open = { repository, ours: await begin(execution, repository, govern) };
    }
    const approved = images.map(({ digest, tags = [] }) => ({ digest, tags }));
    if (open.ours) await evaluator.ask({ ask: 'approved', images: approved });
  }
  await finish();
}

/** Plans a repository as it is now. False where another policy has come to govern it: nothing goes there. */
async function begin(execution: Execution, repository: string, govern: EvaluationParts['govern']): Promise<boolean> {
  const { parts, rule, evaluator } = execution;
  if (!isGovernedBy(govern(repository), rule.row.name)) return false;
  await requireUnchanged(execution);
  await evaluator.ask({ ask: 'plan', repository, policy: rule.spec.policy, now: parts.now() });
  return true;
}

/** That it was applied is known before the next plan is made. */
async function conclude(parts: EvaluationParts['parts'], rule: RunnableRule, tally: Tally): Promise<RetentionState> {
  const { state } = rule;
  const { expiresAt: _, ...plan } = state.plan ?? {};
  const own = { ...state.own, applied: remembering(state.own.applied, plan.hash) };
  const next: RetentionState = { ...state, plan, own, totals: totalsWith(state, tally), problems: [] };
  const { nextEvaluation: __, ...due } = next;
  const problem = approvalProblem({ ...rule, state: due }, parts.now());
  const whole = { ...due, problems: problem === undefined ? [] : [problem] };
  await saveState(parts, rule, whole);
  return whole;
}

function totalsWith({ totals }: RetentionState, { expired, expiredBytes }: Tally): RetentionState['totals'] {
  return { ...totals, expired: totals.expired + expired, expiredBytes: totals.expiredBytes + expiredBytes };
}

async function textOf({ records }: EvaluationParts['parts'], { state }: RunnableRule): Promise<Readable> {
  const text = state.own.record === undefined ? undefined : await planText(await records(), state.own.record);
  if (text !== undefined) return text;
  throw new RecordLost('the record of the approved plan is gone; another plan is made, and has to be approved instead');
}

/** All of it is read once before anything is done: it must be the very plan that was approved. */
async function requireWhole(parts: EvaluationParts['parts'], rule: RunnableRule): Promise<void> {
  const whole = await isWhole(await textOf(parts, rule), rule.state.own.sum).catch(() => false);
  if (whole) return;
  throw new RecordLost(
    'the record of the approved plan is damaged; another plan is made, and has to be approved instead',
  );
}
