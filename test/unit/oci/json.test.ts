import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidJson, parseStrictJson } from '../../../src/domain/json.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('strict JSON', () => {
  test('agrees with JSON.parse on everything that JSON.stringify writes', () => {
    const safe = fc.jsonValue({ maxDepth: 6 }).filter((value) => {
      const text = JSON.stringify(value);
      return !text.includes('__proto__') && !/\d{16,}|e\+/.test(text);
    });
    fc.assert(
      fc.property(safe, (value) => {
        const text = JSON.stringify(value);
        assert.deepEqual(parseStrictJson(bytes(text)), JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  test('never answers for a text that JSON.parse refuses', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\a1 u0tn\n') }), (text) => {
        let plain: unknown;
        try {
          plain = JSON.parse(text);
        } catch {
          assert.throws(() => parseStrictJson(text), InvalidJson);
          return;
        }
        try {
          assert.deepEqual(parseStrictJson(text), plain);
        } catch (error) {
          assert.ok(error instanceof InvalidJson);
        }
      }),
      { numRuns: 3000 },
    );
  });

  for (const [what, text] of [
    ['a key that stands twice', '{"a":1,"a":2}'],
    ['a key that stands twice under two spellings', String.raw`{"a":1,"\u0061":2}`],
    ['a key that stands twice far down', '{"x":[{"y":{"k":1,"z":[],"k":2}}]}'],
    ['__proto__', '{"__proto__":{"admin":true}}'],
    ['a number past 2^53', '{"size":9007199254740993}'],
    ['a number past every bound', '{"size":1e400}'],
    ['a byte order mark', '\ufeff{}'],
    ['trailing commas', '{"a":1,}'],
    ['two values', '{}{}'],
    ['nothing', ''],
    ['deep nesting', '['.repeat(33) + ']'.repeat(33)],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(() => parseStrictJson(bytes(text)), InvalidJson);
    });
  }

  test('takes the same key in two objects, and a string value equal to a key', () => {
    assert.deepEqual(parseStrictJson('[{"a":"a"},{"a":"b"}]'), [{ a: 'a' }, { a: 'b' }]);
  });

  test('refuses bytes that are not UTF-8', () => {
    assert.throws(() => parseStrictJson(Uint8Array.of(0x22, 0xff, 0x22)), InvalidJson);
  });
});
