/** When a policy is evaluated, for how long a plan can be approved, and by which hash. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { approvalProblem } from '../../../src/registry/retention/approval.ts';
import {
  frozenPlan,
  isApproved,
  isDue,
  isRunnable,
  nextEvaluation,
  policyKey,
  policyRule,
  type RunnableRule,
} from '../../../src/registry/retention/policy-rule.ts';
import { noState, type RetentionState } from '../../../src/registry/retention/state.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const hour = 3_600_000;
const at = (time: number) => new Date(time).toISOString();
const hash = (digit: number) => `sha256:${String(digit).repeat(64)}`;

function rule(spec: object, state: Partial<RetentionState> = {}, generation = 1): RunnableRule {
  const selection = { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1 };
  const rules = [{ rulePriority: 1, selection, action: { type: 'expire' } }];
  const document = JSON.stringify({ spec: { repositories: { include: ['a'] }, rules, ...spec } });
  const row = { kind: 'retention' as const, name: 'p', uid: 'u', generation, document, changedAt: now, changedBy: 'x' };
  const read = { ...policyRule(row, now), state: { ...noState, generation: 1, ...state } };
  assert.ok(isRunnable(read));
  return read;
}

/** In mode Approve, with a plan of these hash and end. */
function frozen(
  spec: object,
  plan: { hash: string; expiresAt: number },
  own: object = {},
  generation = 1,
): RunnableRule {
  const { spec: read } = rule({ mode: 'Approve', ...spec });
  const state = {
    plan: { hash: plan.hash, expiresAt: at(plan.expiresAt) },
    nextEvaluation: at(plan.expiresAt),
    own: { policy: policyKey(read), ...own },
  };
  return rule({ mode: 'Approve', ...spec }, state, generation);
}

const when = (more: object = {}) => ({ now, asked: false, reported: true, ...more });

test('a policy is due when it is new, at its time, when it changed, and when somebody asks', () => {
  const later = { nextEvaluation: at(now + hour) };
  assert.equal(isDue(rule({}), when()), true, 'new');
  assert.equal(isDue(rule({}, later), when()), false);
  assert.equal(isDue(rule({}, { nextEvaluation: at(now) }), when()), true, 'its time');
  assert.equal(isDue(rule({}, later, 2), when()), true, 'changed');
  assert.equal(isDue(rule({}, later), when({ asked: true })), true, 'asked');
  assert.equal(isDue(rule({ suspend: true }), when({ asked: true })), false, 'suspended');
});

test('one that waited for reports is due when all are there', () => {
  const waiting = rule({}, { nextEvaluation: at(now + hour), own: { waiting: true } });
  assert.equal(isDue(waiting, when({ reported: false })), false);
  assert.equal(isDue(waiting, when()), true);
});

test('the schedule counts in its time zone', () => {
  const spec = { schedule: '0 2 * * *', timeZone: 'Asia/Shanghai' };
  assert.equal(nextEvaluation(rule(spec), now), '2026-11-22T18:00:00.000Z');
  assert.equal(nextEvaluation(rule({ schedule: '0 2 * * *' }), now), '2026-11-23T02:00:00.000Z');
});

test('a frozen plan outlives the schedule and its own approval, until its time is over or the rules change', () => {
  const plan = { hash: hash(1), expiresAt: now + hour };
  assert.equal(isDue(frozen({ approvedPlan: hash(1) }, plan, {}, 2), when()), false, 'approved');
  assert.equal(nextEvaluation(frozen({}, plan), now), at(plan.expiresAt));
  assert.equal(isDue(frozen({}, { ...plan, expiresAt: now }), when()), true, 'its time is over');
  assert.equal(isDue(frozen({ protect: { newest: 3 } }, plan, { policy: 'another' }, 2), when()), true, 'other rules');
  assert.equal(isDue(frozen({}, plan), when({ asked: true })), true, 'asked');
});

test('only the hash of the plan that is frozen now approves it', () => {
  const plan = { hash: hash(1), expiresAt: now + hour };
  assert.equal(isApproved(frozen({ approvedPlan: hash(1) }, plan), now), true);
  assert.equal(isApproved(frozen({ approvedPlan: hash(2) }, plan), now), false);
  assert.equal(isApproved(frozen({}, plan), now), false);
  assert.equal(isApproved(frozen({ approvedPlan: hash(1) }, { ...plan, expiresAt: now }), now), false, 'too late');
  assert.equal(isApproved(frozen({ approvedPlan: hash(1) }, plan, { policy: 'another' }), now), false, 'other rules');
  const dryRun = rule({ mode: 'DryRun' }, { plan: { hash: hash(1), expiresAt: at(now + hour) } });
  assert.equal(frozenPlan(dryRun, now), undefined);
});

test('what is wrong with an approval is told by its kind', () => {
  const plan = { hash: hash(1), expiresAt: now + hour };
  const kind = (found: RunnableRule) => approvalProblem(found, now)?.type;
  assert.equal(kind(frozen({ approvedPlan: hash(1) }, plan)), undefined);
  assert.equal(kind(frozen({ approvedPlan: hash(2) }, plan)), 'ApprovalUnknown');
  assert.equal(kind(frozen({ approvedPlan: hash(2) }, plan, { lapsed: [hash(2)] })), 'ApprovalExpired');
  assert.equal(kind(frozen({ approvedPlan: hash(1) }, { ...plan, expiresAt: now })), 'ApprovalExpired');
  assert.equal(kind(frozen({ approvedPlan: hash(2) }, plan, { applied: [hash(2)] })), undefined, 'done already');
});
