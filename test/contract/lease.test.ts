import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lease } from '../../src/registry/recovery/lease.ts';
import { openEmpty } from './recovery-history.ts';

test('one holds the lease, keeps it while it asks, and another takes over when it is silent or lets go', async () => {
  const { store: queue, close } = await openEmpty();
  try {
    let now = 1_000_000;
    const lease = (worker: string) => new Lease({ queue, kind: 'journal', worker, length: 3000, now: () => now });
    const [one, other] = [lease('one'), lease('other')];
    for (let second = 0; second < 5; second++) {
      assert.deepEqual([await one.hold(), await other.hold()], [true, false]);
      now += 1000;
    }
    now += 3000;
    assert.deepEqual([await other.hold(), await one.hold()], [true, false]);
    await other.release();
    assert.deepEqual([await one.hold(), await other.hold()], [true, false]);
  } finally {
    await close();
  }
});

test('who stands in waits until nobody has had the lease for a while, so that whoever does not comes first', async () => {
  const { store: queue, close } = await openEmpty();
  try {
    let now = 1_000_000;
    const parts = { queue, kind: 'journal', length: 3000, now: () => now };
    const [owner, stand] = [
      new Lease({ ...parts, worker: 'owner' }),
      new Lease({ ...parts, worker: 'stand', patience: 2000 }),
    ];
    assert.deepEqual([await stand.hold(), await owner.hold()], [false, true]);
    now += 4000;
    assert.equal(await stand.hold(), false, 'the owner may be on its way back');
    now += 1500;
    assert.equal(await stand.hold(), true);
    await stand.release();
    assert.deepEqual([await stand.hold(), await owner.hold()], [false, true]);
  } finally {
    await close();
  }
});
