import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Condition,
  type ConditionInput,
  rfc3339,
  settleConditions,
  standingConditions,
} from '../../../src/operator/runtime/conditions.ts';

const status = fc.constantFrom('True' as const, 'False' as const, 'Unknown' as const);
const text = fc.string({ maxLength: 10 });
const inputs: fc.Arbitrary<ConditionInput[]> = fc.uniqueArray(
  fc.record({
    type: fc.constantFrom('Ready', 'Reconciling', 'Stalled', 'TLSReady'),
    status,
    reason: text,
    message: text,
  }),
  { selector: ({ type }) => type, maxLength: 4 },
);
const FIRST = new Date('2030-01-01T00:00:00.123Z');
const SECOND = new Date('2030-01-01T00:00:05.900Z');

describe('conditions', () => {
  test('lastTransitionTime moves exactly when the status does', () => {
    fc.assert(
      fc.property(inputs, inputs, (before, after) => {
        const old = settleConditions([], before, FIRST);
        for (const condition of settleConditions(old, after, SECOND)) {
          const previous = old.find(({ type }) => type === condition.type);
          const expected = previous?.status === condition.status ? FIRST : SECOND;
          assert.equal(condition.lastTransitionTime, rfc3339(expected));
        }
      }),
    );
  });

  test('settling twice changes nothing, whatever the order', () => {
    fc.assert(
      fc.property(inputs, (conditions) => {
        const once = settleConditions([], conditions, FIRST);
        assert.deepEqual(settleConditions(once, conditions.toReversed(), SECOND), once);
      }),
    );
  });

  test('what is no longer said goes', () => {
    const old: Condition[] = settleConditions(
      [],
      standingConditions({ state: 'stalled', reason: 'R', message: '' }, 1),
      FIRST,
    );
    const now = settleConditions(old, standingConditions({ state: 'ready', reason: 'R', message: '' }, 1), SECOND);
    assert.deepEqual(
      now.map(({ type }) => type),
      ['Ready'],
    );
  });

  for (const [state, expected] of [
    ['progressing', { Ready: 'Unknown', Reconciling: 'True' }],
    ['failing', { Ready: 'False', Reconciling: 'True' }],
    ['stalled', { Ready: 'False', Stalled: 'True' }],
    ['ready', { Ready: 'True' }],
  ] as const) {
    test(`${state} is said as kstatus reads it`, () => {
      const conditions = standingConditions({ state, reason: 'Because', message: 'so' }, 7);
      assert.deepEqual(Object.fromEntries(conditions.map((each) => [each.type, each.status])), expected);
      for (const each of conditions) {
        assert.deepEqual([each.reason, each.message, each.observedGeneration], ['Because', 'so', 7]);
      }
    });
  }

  test('times are whole seconds', () => {
    assert.equal(rfc3339(FIRST), '2030-01-01T00:00:00Z');
  });
});
