import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findingsOf, standingOf } from '../../../src/operator/replication-rule/conditions.ts';
import { newsOf } from '../../../src/operator/replication-rule/news.ts';
import type { ReplicationRuleSpec } from '../../../src/operator/replication-rule/resource.ts';
import { readState } from '../../../src/operator/replication-rule/state.ts';
import { statusOf } from '../../../src/operator/replication-rule/status.ts';
import { rule } from './sample.ts';

const target = 'registry.example.com/myorg/app';
const done = { target, lastSuccess: '2026-11-22T08:00:00.123Z', pending: 0, failed: 0 };

function seen(told: object, spec: Partial<ReplicationRuleSpec> = {}) {
  const state = readState({ generation: 2, targets: [done], ...told });
  assert.ok(state);
  const { metadata, spec: whole } = rule(spec);
  const standing = standingOf(whole, metadata.generation ?? 0, state);
  const found = Object.fromEntries(
    findingsOf(whole, state).map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  );
  return { standing: `${standing.state} ${standing.reason}`, message: standing.message, found };
}

describe('what a rule comes to', () => {
  test('in step', () => {
    assert.deepEqual(seen({}), {
      standing: 'ready InForce',
      message: 'every target has what it should',
      found: { InSync: 'True InStep' },
    });
  });

  test('in force while tags wait or fail, and the first failure is told', () => {
    const failures = [{ reference: 'myorg/app:1', reason: 'Denied', message: 'the target answers 403' }];
    assert.deepEqual(seen({ targets: [{ ...done, pending: 2 }] }).found, { InSync: 'False Copying' });
    const failing = seen({ targets: [{ ...done, pending: 2, failed: 1, failures }] });
    assert.equal(failing.standing, 'ready InForce');
    assert.match(failing.message, /1 tag could not be copied.*myorg\/app:1 to registry\.example\.com.*403/);
    assert.deepEqual(failing.found, { InSync: 'False CopyFailed' });
  });

  test('not known before everything was compared once', () => {
    assert.deepEqual(seen({ targets: [{ target }] }).found, { InSync: 'Unknown NotCompared' });
    assert.deepEqual(seen({ targets: [] }).found, { InSync: 'Unknown NotCompared' });
  });

  test('progressing until the worker has this generation', () => {
    assert.equal(seen({ generation: 1 }).standing, 'progressing Applying');
    assert.equal(standingOf(rule().spec, 2, undefined).reason, 'Applying');
  });

  test('what the worker calls a problem is a condition, and some take Ready away', () => {
    const problem = (type: string, reason: string) => ({ problems: [{ type, reason, message: 'why' }] });
    assert.deepEqual(seen(problem('DeletionHalted', 'TooMany')).found, {
      InSync: 'True InStep',
      DeletionHalted: 'True TooMany',
    });
    assert.deepEqual(seen(problem('InSync', 'SourceUnreachable')).found, { InSync: 'False SourceUnreachable' });
    assert.equal(seen(problem('Ready', 'Conflict')).standing, 'failing Conflict');
    const stalled = seen(problem('Stalled', 'SourceUnauthorized'));
    assert.deepEqual(
      [stalled.standing, stalled.found],
      ['stalled SourceUnauthorized', { InSync: 'Unknown SourceUnauthorized' }],
    );
    assert.deepEqual(seen({ targets: [{ ...done, conflicts: 2 }] }).found, {
      InSync: 'True InStep',
      Conflicted: 'True TagsMoved',
    });
  });

  test('suspended and dry run', () => {
    assert.deepEqual(
      [seen({}, { suspend: true })].map(({ standing, found }) => [standing, found.InSync]),
      [['ready Suspended', 'Unknown Suspended']],
    );
    const plan = { lastPlan: { time: '2026-11-22T08:00:00Z', copy: 3, delete: 0 } };
    const dry = seen({ targets: [{ target }], ...plan }, { dryRun: true });
    assert.deepEqual([dry.standing, dry.found.InSync], ['ready DryRun', 'False DryRun']);
  });
});

describe('the status', () => {
  test('holds what the registry tells, with whole seconds', () => {
    const state = readState({ generation: 2, targets: [done], nextSchedule: '2026-11-22T12:00:00.000Z' });
    assert.ok(state);
    const status = statusOf(rule(), { standing: standingOf(rule().spec, 2, state), state, handled: 'now' });
    assert.deepEqual(status, {
      targets: [{ ...done, lastSuccess: '2026-11-22T08:00:00Z' }],
      nextSchedule: '2026-11-22T12:00:00Z',
      lastHandledReconcileAt: 'now',
      observedGeneration: 2,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'InForce',
          message: 'every target has what it should',
          observedGeneration: 2,
        },
        {
          type: 'InSync',
          status: 'True',
          reason: 'InStep',
          message: 'every target has what it should',
          observedGeneration: 2,
        },
      ],
    });
  });

  test('keeps what was known while nobody tells, but not that targets are in step', () => {
    const lastTransitionTime = '2026-11-22T08:00:00Z';
    const before = (type: string) => ({ type, status: 'True' as const, reason: 'R', message: 'm', lastTransitionTime });
    const known = {
      ...rule(),
      status: { targets: [{ target, pending: 1 }], conditions: ['Ready', 'InSync', 'DeletionHalted'].map(before) },
    };
    const standing = { state: 'failing' as const, reason: 'RegistryUnreachable', message: 'silent' };
    const { conditions, targets } = statusOf(known, { standing }) as ReturnType<typeof statusOf> & {
      targets?: unknown;
    };
    assert.deepEqual(targets, [{ target, pending: 1 }]);
    assert.deepEqual(
      conditions.map(({ type, status, reason }) => [type, status, reason]),
      [
        ['Ready', 'False', 'RegistryUnreachable'],
        ['Reconciling', 'True', 'RegistryUnreachable'],
        ['InSync', 'Unknown', 'NotTold'],
        ['DeletionHalted', 'True', 'R'],
      ],
    );
  });

  test('is cut to what the schema takes, and nonsense is no state', () => {
    const failures = Array.from({ length: 20 }, () => ({
      reference: 'r'.repeat(2000),
      reason: 'no word',
      message: 'm',
    }));
    const state = readState({ targets: [{ target, failures, extra: 1 }], problems: [] });
    const [first] = state?.targets ?? [];
    assert.equal(first?.failures?.length, 10);
    assert.deepEqual([first?.failures?.[0]?.reference.length, first?.failures?.[0]?.reason], [1024, 'Unknown']);
    assert.deepEqual(
      [readState(undefined), readState('x'), readState({ targets: [{ pending: -1 }] })],
      [undefined, undefined, undefined],
    );
  });
});

test('events tell what turned, once, and neither copying nor what only goes on', () => {
  const said = (type: string, status: string, reason: string) => ({ type, status, reason, message: reason });
  const news = (before: ReturnType<typeof said>[], after: ReturnType<typeof said>[]) =>
    newsOf(before, after).map(({ type, reason }) => `${type} ${reason}`);
  const ready = said('Ready', 'True', 'InForce');
  assert.deepEqual(news([], [said('Ready', 'False', 'SecretMissing'), said('Reconciling', 'True', 'SecretMissing')]), [
    'Warning SecretMissing',
  ]);
  assert.deepEqual(news([ready, said('InSync', 'True', 'InStep')], [ready, said('InSync', 'False', 'Copying')]), []);
  assert.deepEqual(news([ready, said('InSync', 'False', 'Copying')], [ready, said('InSync', 'False', 'CopyFailed')]), [
    'Warning CopyFailed',
  ]);
  assert.deepEqual(news([ready], [ready, said('DeletionHalted', 'True', 'TooMany')]), ['Warning TooMany']);
  assert.deepEqual(news([ready], [ready]), []);
});
