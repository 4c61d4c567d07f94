import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { Gate } from '../../../src/registry/jobs/gate.ts';

const never = new AbortController().signal;

/** Work that ends when it is told to. */
function work(gate: Gate, entered: string[], name: string, signal = never) {
  const over = Promise.withResolvers<void>();
  const done = gate.run(signal, async () => {
    entered.push(name);
    await over.promise;
  });
  done.catch(() => undefined);
  return { done, end: over.resolve };
}

test('no more than so many are inside, and those who wait come in the order in which they came', async () => {
  const entered: string[] = [];
  const gate = new Gate(() => 2);
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => work(gate, entered, name));
  await immediate();
  assert.deepEqual(entered, ['a', 'b']);
  b?.end();
  await b?.done;
  await immediate();
  assert.deepEqual(entered, ['a', 'b', 'c']);
  a?.end();
  await immediate();
  assert.deepEqual(entered, ['a', 'b', 'c', 'd']);
  for (const each of [c, d]) each?.end();
});

test('what fails makes room, and who gives up while waiting is not let in', async () => {
  const entered: string[] = [];
  const gate = new Gate(() => 1);
  const leaving = new AbortController();
  const first = gate.run(never, async () => {
    await immediate();
    throw new Error('failed');
  });
  const second = work(gate, entered, 'second', leaving.signal);
  const third = work(gate, entered, 'third');
  leaving.abort(new Error('stopping'));
  await assert.rejects(second.done, /stopping/);
  await assert.rejects(first, /failed/);
  await immediate();
  assert.deepEqual(entered, ['third']);
  third.end();
  await assert.rejects(
    gate.run(leaving.signal, async () => undefined),
    /stopping/,
  );
});

test('a new number counts from the next one who leaves', async () => {
  const entered: string[] = [];
  let most = 1;
  const gate = new Gate(() => most);
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => work(gate, entered, name));
  most = 2;
  a?.end();
  await immediate();
  assert.deepEqual(entered, ['a', 'b', 'c']);
  most = 1;
  b?.end();
  await immediate();
  assert.deepEqual(entered, ['a', 'b', 'c']);
  for (const each of [c, d]) each?.end();
});
