/** What becomes of a registry's words in the status of a RetentionPolicy. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type {
  RetentionPolicyResource,
  RetentionPolicyStatus,
} from '../../../src/operator/retention-policy/resource.ts';
import { readPolicyState } from '../../../src/operator/retention-policy/state.ts';
import { type Findings, inForce, statusOf } from '../../../src/operator/retention-policy/status.ts';
import { happeningsIn, problemsIn } from '../../../src/operator/rules/state.ts';

const ready = { state: 'ready', reason: 'InForce', message: '' } as const;
const hash = `sha256:${'a'.repeat(64)}`;

function policy(spec: object = {}, status: object = {}): RetentionPolicyResource {
  return {
    apiVersion: 'ne-registry.io/v1alpha1',
    kind: 'RetentionPolicy',
    metadata: { name: 'p', namespace: 'n', generation: 3 },
    spec: { repositories: { include: ['**'] }, ...spec } as RetentionPolicyResource['spec'],
    status: status as RetentionPolicyStatus,
  };
}

function found(state: object, more: Partial<Findings> = {}): Findings {
  return { state: readPolicyState(state), problems: problemsIn(state), warnings: [], ...more };
}

describe('reports of clusters, which come every minute,', () => {
  const cluster = (reportedAt: string, more: object = {}) => ({
    name: 'local',
    reportedAt,
    stale: false,
    images: 7,
    ...more,
  });
  const first = {
    generation: 3,
    lastEvaluation: '2026-01-01T02:00:00.250Z',
    inUse: { clusters: [cluster('2026-01-01T02:00:00Z')] },
  };
  const before = statusOf(policy(), ready, found(first));
  const next = (state: object) =>
    statusOf(policy({}, before), ready, found({ ...first, ...state })) as RetentionPolicyStatus;

  test('change nothing while they come, whatever they name', () => {
    const status = next({ inUse: { clusters: [cluster('2026-01-01T02:01:00Z', { images: 8 })] } });
    assert.deepEqual(status.inUse, (before as RetentionPolicyStatus).inUse);
  });

  test('are told anew with each evaluation', () => {
    const status = next({
      lastEvaluation: '2026-01-02T02:00:00Z',
      inUse: { clusters: [cluster('2026-01-02T01:59:00Z')] },
    });
    assert.equal(status.inUse?.clusters?.[0]?.reportedAt, '2026-01-02T01:59:00Z');
  });

  for (const [what, clusters] of [
    ['one is late', [cluster('2026-01-01T02:00:00Z', { stale: true })]],
    ['another is waited for', [cluster('2026-01-01T02:01:00Z'), { name: 'edge' }]],
    ['one covers less', [cluster('2026-01-01T02:01:00Z', { namespaces: ['a'] })]],
  ] as const) {
    test(`are told at once when ${what}`, () => assert.deepEqual(next({ inUse: { clusters } }).inUse, { clusters }));
  }
});

describe('a state of a registry of another version', () => {
  test('gives what is understood of it, cut to what the schema allows', () => {
    const state = readPolicyState({
      generation: 3,
      new: true,
      nextEvaluation: 'tomorrow',
      plan: {
        hash,
        expiring: 'many',
        images: [...Array(200).keys()].map((at) => ({ repository: `r${at}`, digest: hash })),
      },
    });
    assert.equal(state.plan?.hash, hash);
    assert.equal(state.plan?.images?.length, 100);
    assert.equal(state.plan?.expiring, undefined);
    assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(state))).sort(), ['generation', 'plan']);
  });

  for (const odd of [undefined, null, 'x', [], { generation: 'x' }]) {
    test(`that is ${JSON.stringify(odd)} is one of nothing`, () => assert.equal(readPolicyState(odd).generation, -1));
  }

  test('becomes no condition that API servers refuse, nor one that is the operator’s own', () => {
    const problem = (type: string, reason = 'Reason') => ({ type, reason, message: 'm' });
    const problems = [
      problem('Ready'),
      problem('with space'),
      problem('Fine'),
      problem('Fine', 'Last'),
      problem('X', '!'),
    ];
    assert.deepEqual(problemsIn({ problems }), [problem('Fine', 'Last')]);
  });
});

describe('a policy', () => {
  test('is ready when the registry has seen this generation, and not before', () => {
    assert.equal(inForce(policy(), found({ generation: 2 })).state, 'progressing');
    assert.equal(inForce(policy(), found({ generation: 3 })).state, 'ready');
  });

  test('says what waits for approval, until it is approved', () => {
    const state = found({ generation: 3, plan: { hash, expiring: 2, expiringBytes: 2048 } });
    const waiting = inForce(policy({ mode: 'Approve' }), state);
    assert.match(waiting.message, new RegExp(`2 images \\(2.0 KiB\\) waits until spec.approvedPlan is ${hash}`));
    assert.match(inForce(policy({ mode: 'Approve', approvedPlan: hash }), state).message, /is approved/);
    assert.match(inForce(policy({ mode: 'DryRun' }), state).message, /would expire 2 images/);
  });

  test('that is suspended says that nothing expires', () => {
    assert.equal(inForce(policy({ suspend: true }), found({ generation: 3 })).reason, 'Suspended');
  });

  test('keeps what was known of it while the registry is silent, and the conditions of its registry', () => {
    const condition = { type: 'InventoryStale', status: 'True', reason: 'InventoryStale', message: 'edge' } as const;
    const before = statusOf(policy(), ready, found({ generation: 3, plan: { hash }, problems: [condition] }));
    const silent = { type: 'RegistryUnreachable', reason: 'NoAnswer', message: 'refused' };
    const status = statusOf(policy({}, before), ready, { warnings: [silent] });
    assert.deepEqual((status as RetentionPolicyStatus).plan, { hash });
    assert.deepEqual(status.conditions.map(({ type }) => type).sort(), [
      'InventoryStale',
      'Ready',
      'RegistryUnreachable',
    ]);
    const again = statusOf(policy({}, status), ready, found({ generation: 3 }));
    assert.deepEqual(
      again.conditions.map(({ type }) => type),
      ['Ready'],
    );
  });
});

test('what happened is told in order, and only what is new', () => {
  const events = ['03', '01', '02'].map((second) => ({
    at: `2026-01-01T00:00:${second}Z`,
    reason: 'RestoredInUse',
    message: second,
  }));
  const told = happeningsIn({ events: [...events, { at: 'x' }] }, '2026-01-01T00:00:01.000Z');
  assert.deepEqual(
    told.map(({ message }) => message),
    ['02', '03'],
  );
});
