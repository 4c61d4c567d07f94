import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { guardDeletions, provesAbsence } from '../../../src/domain/replication/deletions.ts';
import { retryWait } from '../../../src/domain/replication/retry.ts';
import { opensIn } from '../../../src/domain/replication/window.ts';

const candidates = (count: number, targets = 1) =>
  Array.from({ length: count * targets }, (_, at) => ({
    target: `t${at % targets}`,
    repository: 'app',
    tag: `${Math.floor(at / targets)}`,
  }));

test('more deletions than maxPerRun are none', () => {
  assert.equal(guardDeletions(candidates(100), 100).allowed.length, 100);
  assert.deepEqual(guardDeletions(candidates(101), 100), { allowed: [], halted: 101 });
  assert.equal(guardDeletions(candidates(100, 3), 100).allowed.length, 300);
});

test('an empty listing proves nothing', () => {
  assert.equal(provesAbsence(0), false);
  assert.equal(provesAbsence(1), true);
});

test('waits double up to the longest, and are never shorter than what was asked for', () => {
  const waits = { min: 1000, max: 300_000 };
  assert.deepEqual(
    [1, 2, 3, 20].map((failures) => retryWait(waits, failures, 0.5)),
    [1000, 2000, 4000, 300_000],
  );
  assert.equal(retryWait(waits, 1, 0.5, 30_000), 30_000);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (failures, chance) => {
        const wait = retryWait(waits, failures, chance);
        assert.ok(wait >= 750 && wait <= waits.max);
      },
    ),
  );
});

test('a window opens at its time of day in its time zone, also over midnight', () => {
  const at = (text: string) => Date.parse(text);
  const night = { start: 22 * 60, end: 6 * 60, timeZone: 'Asia/Shanghai' };
  assert.equal(opensIn(night, at('2026-03-01T14:00:00Z')), 0);
  assert.equal(opensIn(night, at('2026-03-01T21:59:59Z')), 0);
  assert.equal(opensIn(night, at('2026-03-01T22:00:00Z')), 16 * 3_600_000);
  assert.equal(opensIn(night, at('2026-03-01T13:59:30Z')), 30_000);
  assert.equal(opensIn({ start: 60, end: 60, timeZone: 'UTC' }, at('2026-03-01T14:00:00Z')), 0);
});
