/** Who holds buffers without reading makes room for others, and is dropped for them rather than they for him. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlowLane } from '../../../src/registry/storage/slow-lane.ts';

const mebibyte = 1024 * 1024;

function lane() {
  let now = 0;
  const slow = new SlowLane(() => now);
  const dropped: string[] = [];
  const admit = (owner: string, bytes = mebibyte) =>
    slow.admit({ owner, bytes, since: now, drop: () => dropped.push(owner) });
  return { admit, dropped, wait: (millis: number) => (now += millis) };
}

test('one address gets six of eight MiB; another one finds room at once', () => {
  const { admit, dropped } = lane();
  const admitted = Array.from({ length: 10 }, () => admit('hoarder'));
  assert.equal(admitted.filter(Boolean).length, 6);
  assert.ok(admit('other') && admit('other'));
  assert.deepEqual(dropped, []);
});

test('an address past its share loses its own oldest after five seconds, never those of others', () => {
  const { admit, dropped, wait } = lane();
  assert.ok(admit('other'));
  for (let count = 0; count < 10; count++) admit('hoarder');
  wait(4_999);
  assert.equal(admit('hoarder'), false);
  wait(2);
  assert.ok(admit('hoarder'));
  assert.deepEqual(dropped, ['hoarder']);
});

test('where the lane is full, the address that holds most makes room', () => {
  const { admit, dropped, wait } = lane();
  for (let count = 0; count < 6; count++) admit('hoarder');
  assert.ok(admit('a') && admit('b'));
  wait(5_001);
  assert.ok(admit('c'));
  assert.deepEqual(dropped, ['hoarder']);
});
