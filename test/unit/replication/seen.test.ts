/** When what a comparison saw spares another look. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { stands, stillGood, told } from '../../../src/registry/replication/seen.ts';

const digest = `sha256:${'0'.repeat(64)}` as Digest;
const absent = { tag: undefined, identity: 'b' };
const there = { tag: { tag: 't', digest }, identity: 'b' };
const named = { tag: { tag: 't' }, identity: undefined };

test('a target is looked at again before each tag where what others wrote there is kept', () => {
  for (const look of [absent, there, named]) {
    assert.equal(stands(look, 'Skip'), undefined);
    assert.equal(stands(look, 'Fail'), undefined);
  }
  assert.deepEqual([stands(absent, 'Override'), stands(there, 'Override')], [absent, there]);
});

test('a name without a digest says too little', () => {
  assert.deepEqual([told(named), stands(named, 'Override'), told(undefined)], [undefined, undefined, undefined]);
});

test('nothing is taken for true for longer than ten seconds, or where the clock went back', () => {
  const seen = { source: there, target: absent, holds: false, at: 50_000 };
  assert.deepEqual(
    [59_999, 60_000, 49_999].map((now) => stillGood(seen, now)),
    [seen, undefined, undefined],
  );
});
