import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { verdict, worst } from '../../bench/verdict.ts';

describe('verdicts', () => {
  const aim = { floor: 10, goal: 16 };
  const bound = { floor: 100, goal: 80, most: true };

  test('a goal, a floor and a miss, each with its bound included', () => {
    assert.deepEqual(
      [16, 15.9, 10, 9.99].map((value) => verdict(value, aim)),
      ['goal', 'floor held', 'floor held', 'MISSED'],
    );
    assert.deepEqual(
      [80, 81, 100, 100.1].map((value) => verdict(value, bound)),
      ['goal', 'floor held', 'floor held', 'MISSED'],
    );
  });

  test('what could not be measured has missed', () => {
    assert.equal(verdict(Number.NaN, aim), 'MISSED');
    assert.equal(verdict(Number.NaN, bound), 'MISSED');
  });

  test('the worst one counts', () => {
    assert.equal(worst(['goal', 'MISSED', 'floor held']), 'MISSED');
    assert.equal(worst(['goal', 'floor held']), 'floor held');
    assert.equal(worst([]), undefined);
  });
});
