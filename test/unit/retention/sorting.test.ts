/** Positions are sorted by what any number says, however many there are; digests and patterns are read as they were written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Digests } from '../../../src/domain/retention/digests.ts';
import { matcherOf } from '../../../src/domain/retention/pattern.ts';
import { sortedPositions } from '../../../src/domain/retention/sorting.ts';

const key = fc.oneof(
  fc.nat(5),
  fc.maxSafeNat(),
  fc.double({ min: 0, noNaN: true }),
  fc.constantFrom(0, -0, Number.MIN_VALUE, Number.POSITIVE_INFINITY, 1_700_000_000_000),
);

test('positions are in the order of their keys, and of equal keys as they compare', () => {
  const few = fc.array(key, { maxLength: 20 });
  const many = fc.array(key, { minLength: 256, maxLength: 600 });
  const negative = fc.array(fc.double({ noNaN: true }), { minLength: 256, maxLength: 300 });
  fc.assert(
    fc.property(fc.oneof(few, many, negative), fc.nat(3), (keys, extra) => {
      const positions = Uint32Array.from(keys, (_, index) => keys.length + extra - index);
      const found = sortedPositions({ keys: Float64Array.from(keys), positions: positions.slice() }, (a, b) => a - b);
      const expected = [...keys.keys()]
        .sort((a, b) => {
          const [left = 0, right = 0] = [keys[a], keys[b]];
          if (left !== right) return left < right ? -1 : 1;
          return (positions[a] ?? 0) - (positions[b] ?? 0);
        })
        .map((index) => positions[index]);
      assert.deepEqual([...found], expected);
    }),
  );
});

test('a text that is no digest of sha256 stays what it was, also after one that is', () => {
  const hex = '0123456789abcdef'.repeat(4);
  const texts = [
    `sha256:${hex}`,
    `sha256:${hex.slice(1)}é`,
    `sha256:${hex.slice(1)}İ`,
    `sha256:é${hex.slice(1)}`,
    `sha256:${hex.toUpperCase()}`,
    `sha512:${hex}`,
    `sha256:${hex}0`,
    `sha256:${hex.slice(2)}`,
    '',
  ];
  const digests = new Digests();
  for (const text of texts) digests.push(text);
  assert.deepEqual(
    texts.map((_, index) => digests.at(index)),
    texts,
  );
  const bytes = new Uint8Array(80);
  assert.equal(digests.write(0, bytes, 3), true);
  assert.equal(Buffer.from(bytes).toString('latin1', 3, 74), texts[0]);
  assert.ok(texts.every((_, index) => digests.write(index, bytes, 0) === (index === 0)));
});

test('a pattern matches what the same regular expression matches', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
  const tags = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
  fc.assert(
    fc.property(letters, tags, (pattern, tag) => {
      const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
      const bytes = Buffer.from(`a${tag}a`);
      assert.equal(matcherOf(pattern)(bytes, 1, bytes.length - 1), expression.test(tag), `${pattern} ${tag}`);
    }),
    { numRuns: 3000 },
  );
});
