import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { mergePatch } from '../../../src/operator/runtime/status.ts';

/** RFC 7386, section 2, word for word. */
function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = applyMergePatch(result[key], value);
  }
  return result;
}

const key = fc.constantFrom('a', 'b', 'c');
const { tree } = fc.letrec<{ tree: Record<string, unknown> }>((tie) => ({
  tree: fc.dictionary(
    key,
    fc.oneof({ maxDepth: 3 }, fc.integer({ max: 3, min: 0 }), fc.array(fc.integer({ max: 2, min: 0 })), tie('tree')),
  ) as fc.Arbitrary<Record<string, unknown>>,
}));

describe('the patch of a status', () => {
  test('turns what was into what is wanted, and is none when they are equal', () => {
    fc.assert(
      fc.property(tree, tree, (before, after) => {
        const [from, to] = [structuredClone({ ...before }), structuredClone({ ...after })];
        const patch = mergePatch(from, to);
        assert.deepEqual(JSON.stringify(sorted(applyMergePatch(from, patch ?? {}))), JSON.stringify(sorted(to)));
        assert.equal(mergePatch(to, to), undefined);
      }),
    );
  });
});

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => [name, sorted(item)]),
  );
}
