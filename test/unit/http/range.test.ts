import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseChunkRange, parseRange } from '../../../src/registry/http/range.ts';

describe('a Range header', () => {
  const cases: readonly [string, unknown][] = [
    ['bytes=0-9', { start: 0, end: 9 }],
    ['bytes=90-', { start: 90, end: 99 }],
    ['bytes=90-500', { start: 90, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=-500', { start: 0, end: 99 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=500-0', 'unsatisfiable'],
    ['bytes=0-1,5-6', undefined],
    ['bytes=-', undefined],
    ['items=0-1', undefined],
  ];
  for (const [header, expected] of cases) {
    test(`${header} of 100 bytes`, () => assert.deepEqual(parseRange(header, 100), expected));
  }

  test('never leads outside the bytes there are', () => {
    const header = fc.oneof(
      fc.string(),
      fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `bytes=${a}-${b}`),
    );
    fc.assert(
      fc.property(header, fc.nat(1000), (text, size) => {
        const range = parseRange(text, size);
        if (range === undefined || range === 'unsatisfiable') return;
        assert.ok(range.start >= 0 && range.start <= range.end && range.end < size);
      }),
    );
  });
});

describe('the Content-Range of a chunk', () => {
  test('is first-last, with or without the words of HTTP', () => {
    assert.deepEqual(parseChunkRange('0-9'), { start: 0, end: 9 });
    assert.deepEqual(parseChunkRange('bytes 5-9/10'), { start: 5, end: 9 });
  });

  test('is nothing else', () => {
    for (const text of ['', '9-0', '-5', '5-', 'a-b', '0-99999999999999999999', '0-9,10-11']) {
      assert.equal(parseChunkRange(text), undefined, text);
    }
  });
});
