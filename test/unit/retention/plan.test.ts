/** The planner agrees with the slow evaluator on anything, and behaves as one expects when its input changes a little. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Image } from '../../../src/domain/retention/image.ts';
import { planRetention } from '../../../src/domain/retention/plan.ts';
import type { Policy } from '../../../src/domain/retention/policy.ts';
import { readRules } from '../../../src/domain/retention/read-rules.ts';
import { day, images, isSubset, now, pins, protect, rules, runs } from './arbitraries.ts';
import { slowlyExpired } from './slow-evaluator.ts';

function expired(list: readonly Image[], policy: Policy, pinned?: ReadonlyMap<string, string>): Map<string, number> {
  const plan = planRetention({ images: list, policy, now, ...(pinned && { pins: pinned }) });
  const found = new Map<string, number>();
  for (const [position, image] of list.entries()) {
    const { action, rulePriority } = plan.decision(position);
    if (action === 'EXPIRE') found.set(image.digest, rulePriority ?? Number.NaN);
  }
  assert.equal(plan.expiring, found.size);
  assert.equal(plan.expiringBytes, found.size);
  return found;
}

test('the plan is what E1 to E9 say, word by word', () => {
  fc.assert(
    fc.property(images, rules, protect, pins, (list, text, protection, pinned) => {
      const policy = { rules: readRules(text), protect: protection };
      const slowly = slowlyExpired(list, policy, { now, pins: new Set(pinned.keys()) });
      assert.deepEqual(new Map([...expired(list, policy, pinned)].sort()), new Map([...slowly].sort()));
    }),
    runs,
  );
});

test('more protection, or one more pin, never expires more', () => {
  fc.assert(
    fc.property(images, rules, protect, pins, (list, text, protection, pinned) => {
      const policy = { rules: readRules(text) };
      const bare = expired(list, policy);
      assert.ok(isSubset(expired(list, { ...policy, protect: protection }), bare));
      assert.ok(isSubset(expired(list, policy, pinned), bare));
    }),
    runs,
  );
});

test('the order of the rules in the text, and of the images in the list, changes nothing', () => {
  fc.assert(
    fc.property(images, rules, pins, (list, text, pinned) => {
      const forward = expired(list, { rules: readRules(text) }, pinned);
      const backward = expired([...list].reverse(), { rules: readRules([...text].reverse()) }, pinned);
      assert.deepEqual(new Map([...backward].sort()), new Map([...forward].sort()));
    }),
    runs,
  );
});

test('raising a count never expires more', () => {
  fc.assert(
    fc.property(images, rules, fc.nat(4), (list, text, which) => {
      const index = which % text.length;
      const raised = text.map((rule, position) =>
        position === index
          ? { ...rule, selection: { ...rule.selection, countNumber: rule.selection.countNumber + 1 } }
          : rule,
      );
      assert.ok(isSubset(expired(list, { rules: readRules(raised) }), expired(list, { rules: readRules(text) })));
    }),
    runs,
  );
});

test('a child never expires before its index, and what stays keeps its children', () => {
  fc.assert(
    fc.property(images, rules, protect, pins, (list, text, protection, pinned) => {
      const gone = expired(list, { rules: readRules(text), protect: protection }, pinned);
      for (const image of list)
        if (!gone.has(image.digest)) for (const child of image.children ?? []) assert.ok(!gone.has(child));
    }),
    runs,
  );
});

const ofRule = (rulePriority: number, more: object) => ({
  rulePriority,
  selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1, ...more },
  action: { type: 'expire' },
});

test('every decision says why', () => {
  const list: Image[] = [
    { digest: 'index', tags: ['v1'], pushedAt: now - 9 * day, children: ['child'], size: 10 },
    { digest: 'child', tags: [], pushedAt: now - 9 * day, size: 20 },
    { digest: 'signature', tags: [], pushedAt: now - 8 * day, subject: 'index', size: 1 },
    { digest: 'run', tags: ['v2'], pushedAt: now - 7 * day, config: 'config' },
    { digest: 'kept', tags: ['release-1'], pushedAt: now - 6 * day },
    { digest: 'new', tags: ['v3'], pushedAt: now },
  ];
  const policy = { rules: readRules([ofRule(7, {})]), protect: { tags: ['release-*'] } };
  const plan = planRetention({
    images: list,
    policy,
    now,
    pins: new Map([['config', 'Pod web/app-1 of cluster blue']]),
  });
  const said = list.map((_, position) => {
    const { action, rulePriority, reason } = plan.decision(position);
    return `${action} ${rulePriority} ${reason}`;
  });
  assert.deepEqual(said, [
    'EXPIRE 7 rule 7: it is not among the newest 1',
    'EXPIRE 7 with index',
    'EXPIRE 7 with index',
    'KEEP 7 in use: Pod web/app-1 of cluster blue',
    'KEEP 7 protected, because of its tag release-1',
    'KEEP 7 rule 7 keeps it',
  ]);
  assert.deepEqual([plan.expiring, plan.expiringBytes, plan.blockedInUse], [3, 31, 1]);
});

test('a transition claims its images and leaves them, and rules for the archive select nothing', () => {
  const list: Image[] = [{ digest: 'a', tags: ['x'], pushedAt: now - 400 * day }];
  const transition = {
    rulePriority: 1,
    selection: {
      tagStatus: 'tagged',
      tagPatternList: ['*'],
      countType: 'sinceImagePulled',
      countUnit: 'days',
      countNumber: 30,
    },
    action: { type: 'transition', targetStorageClass: 'archive' },
  };
  const archive = {
    rulePriority: 2,
    selection: {
      tagStatus: 'any',
      storageClass: 'archive',
      countType: 'sinceImageTransitioned',
      countUnit: 'days',
      countNumber: 365,
    },
    action: { type: 'expire' },
  };
  const rules = readRules([transition, archive, { ...ofRule(3, { countNumber: 1 }) }]);
  const { action, rulePriority, reason } = planRetention({ images: list, policy: { rules }, now }).decision(0);
  assert.deepEqual([action, rulePriority, reason], ['KEEP', 1, 'archive not available']);
});

test('a digest that stands twice is refused', () => {
  const image = { digest: 'a', tags: [], pushedAt: 0 };
  assert.throws(() => planRetention({ images: [image, image], policy: { rules: [] }, now }), /stands twice/);
});
