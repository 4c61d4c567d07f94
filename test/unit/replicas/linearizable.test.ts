import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Event, isLinearizable } from '../../integration/metadata-postgres/linearizable.ts';

const write = (value: string, from: number, to: number): Event => ({
  from,
  to,
  call: { do: 'write', value, only: 'always', result: 'stored' },
});
const read = (saw: string | undefined, from: number, to: number): Event => ({ from, to, call: { do: 'read', saw } });

test('reads that follow the writes in time are explained', () => {
  assert.ok(
    isLinearizable([read(undefined, 0, 1), write('a', 2, 3), read('a', 4, 5), write('b', 6, 7), read('b', 8, 9)]),
  );
});

test('a read during a write may see it or not', () => {
  assert.ok(isLinearizable([write('a', 0, 1), write('b', 2, 9), read('a', 3, 4), read('b', 5, 6)]));
  assert.ok(!isLinearizable([write('a', 0, 1), write('b', 2, 9), read('b', 3, 4), read('a', 5, 6)]), 'back in time');
});

test('a stale read after an acknowledged write is found', () => {
  assert.ok(!isLinearizable([write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]));
  assert.ok(!isLinearizable([write('a', 0, 1), read(undefined, 2, 3)]));
});

test('two readers may not disagree about the order of two writes', () => {
  const writes = [write('a', 0, 10), write('b', 0, 10)];
  assert.ok(isLinearizable([...writes, read('a', 11, 12), read('a', 13, 14)]));
  assert.ok(!isLinearizable([...writes, read('a', 11, 12), read('b', 13, 14)]));
});
