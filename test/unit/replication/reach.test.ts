import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isWithinReach } from '../../../src/domain/replication/version.ts';

const largest = 1e15 - 1;

test('what comes by changes is taken, by a name that is known and by one that is not', () => {
  for (const version of [1, 1_000_000, 1e12]) assert.ok(isWithinReach(version, 0), String(version));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: largest - 1 }), (known) => {
      assert.ok(isWithinReach(known + 1, known));
    }),
  );
});

test('no one step leads to where there is no room for a million more, nor past it', () => {
  assert.equal(isWithinReach(largest, 0), false);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: largest }), fc.integer({ min: 0, max: 1e14 }), (version, known) => {
      if (isWithinReach(version, known)) assert.ok(version <= Math.max(known, 1e12) + 1e6);
    }),
  );
  assert.ok(isWithinReach(1e12 + 1e6, 0));
  assert.equal(isWithinReach(1e12 + 1e6 + 1, 0), false);
  assert.ok(isWithinReach(1e12 + 1e6 + 1, 1e12 + 1));
});
