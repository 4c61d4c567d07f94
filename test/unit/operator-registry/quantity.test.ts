import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { settleNumbers } from '../../../src/operator/registry/numbers.ts';
import { describeBytes, parseBytes, parseSeconds } from '../../../src/operator/registry/quantity.ts';

test('quantities are read as Kubernetes reads them', () => {
  const known: [string | number, number][] = [
    ['20Gi', 21_474_836_480],
    ['1.5Gi', 1_610_612_736],
    ['500M', 500_000_000],
    ['1k', 1000],
    ['0', 0],
    [7, 7],
    ['1e3', 1000],
    ['0.1Ki', 103],
  ];
  for (const [text, bytes] of known) assert.equal(parseBytes(text), bytes, String(text));
  for (const bad of ['', 'Gi', '-1', '1 Gi', '1GiB', '1.', '0x10', '9999Pi', 'NaN']) {
    assert.throws(() => parseBytes(bad), RangeError, bad);
  }
});

test('durations are read in seconds', () => {
  assert.equal(parseSeconds('90s'), 90);
  assert.equal(parseSeconds('1h30m'), 5400);
  assert.equal(parseSeconds('1m1h1m'), 3720);
  for (const bad of ['', '5', '5d', '1h1', '-1s']) assert.throws(() => parseSeconds(bad), RangeError, bad);
});

test('a parsed quantity is what its parts say', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 20 }), fc.constantFrom('Ki', 'Mi', 'Gi'), (count, unit) => {
      const scale = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }[unit] ?? 0;
      assert.equal(parseBytes(`${count}${unit}`), count * scale);
    }),
  );
});

test('bytes are told in words', () => {
  assert.equal(describeBytes(512), '512 B');
  assert.equal(describeBytes(67_108_864), '64.0 MiB');
});

test('numbers that only tremble keep their published value, and real changes come through', () => {
  const before = { usedBytes: 10 * 2 ** 30, freeBytes: 100 * 2 ** 30 };
  assert.deepEqual(settleNumbers(before, { usedBytes: 10 * 2 ** 30 + 5000, freeBytes: 97 * 2 ** 30 }), before);
  const after = { usedBytes: 11 * 2 ** 30, freeBytes: 90 * 2 ** 30 };
  assert.deepEqual(settleNumbers(before, after), after);
  assert.deepEqual(settleNumbers(before, { usedBytes: 0, freeBytes: 0 }), { usedBytes: 0, freeBytes: 0 });
  assert.deepEqual(settleNumbers(undefined, after), after);
});

test('a published number is never further than its share from the truth', () => {
  const bytes = fc.integer({ min: 0, max: 2 ** 45 });
  fc.assert(
    fc.property(bytes, fc.array(bytes, { maxLength: 20 }), (first, rest) => {
      let published = settleNumbers(undefined, { usedBytes: first });
      for (const usedBytes of rest) {
        published = settleNumbers(published, { usedBytes });
        const off = Math.abs((published.usedBytes ?? 0) - usedBytes);
        assert.ok(
          off <= Math.max(2 ** 20, (published.usedBytes ?? 0) * 0.01),
          `${published.usedBytes} for ${usedBytes}`,
        );
      }
    }),
  );
});
