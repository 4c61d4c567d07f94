import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { median, ratio, spread } from '../../bench/statistics.ts';

const positive = fc.double({ min: 1e-3, max: 1e6, noNaN: true });

describe('the statistics of bursts', () => {
  test('the median is the middle one, or lies between the two middle ones', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.throws(() => median([]), RangeError);
  });

  test('one burst that a busy machine spoiled does not move the median of three', () => {
    assert.equal(median([100, 3, 101]), 100);
  });

  test('a ratio compares bursts that followed each other', () => {
    // The machine was half as fast in the second round: the ratio is 10 all the same.
    assert.equal(ratio([1000, 500, 1000], [100, 50, 100], 'more'), 10);
    assert.equal(ratio([2, 4], [20, 40], 'less'), 10);
    assert.throws(() => ratio([1], [1, 2], 'more'), RangeError);
  });

  test('being slower by a factor is the inverse of being faster by it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(positive, positive), { minLength: 1, maxLength: 9 }), (pairs) => {
        const [ours, peer] = [pairs.map(([own]) => own), pairs.map(([, their]) => their)];
        const relation = ratio(ours, peer, 'more');
        assert.ok(Math.abs(ratio(peer, ours, 'less') - relation) <= 1e-9 * relation);
      }),
    );
  });

  test('spread is the range as a share of the median', () => {
    assert.equal(spread([90, 100, 110]), 0.2);
  });
});
