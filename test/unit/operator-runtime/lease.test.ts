import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { heldBy, type Lease, microTime, ObservedLease, released } from '../../../src/operator/runtime/lease.ts';

const empty: Lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l', namespace: 'n' } };
const by = (identity: string, second: number) => ({ identity, leaseSeconds: 15, now: new Date(second * 1000) });

describe('a lease', () => {
  test('its times have six fractional digits', () => {
    assert.equal(microTime(new Date('2030-01-01T00:00:00.1Z')), '2030-01-01T00:00:00.100000Z');
  });

  test('renewing keeps when it was acquired; taking it over counts', () => {
    const first = heldBy(empty, by('a', 0));
    const renewed = heldBy(first, by('a', 5));
    const taken = heldBy(renewed, by('b', 9));
    assert.equal(renewed.spec?.acquireTime, first.spec?.acquireTime);
    assert.notEqual(renewed.spec?.renewTime, first.spec?.renewTime);
    assert.deepEqual(
      [first, renewed, taken].map(({ spec }) => spec?.leaseTransitions),
      [1, 1, 2],
    );
    assert.equal(taken.spec?.acquireTime, microTime(new Date(9000)));
  });

  test('ends one lease time after its last change was seen, whatever the clock of its holder says', () => {
    for (const holdersClock of [0, 1e6, 4e9 / 1000]) {
      const seen = new ObservedLease();
      const lease = heldBy(empty, by('a', holdersClock));
      seen.observe(lease, 1000);
      assert.equal(seen.msUntilFree(lease, 1000), 15_000);
      seen.observe(lease, 9000);
      assert.equal(seen.msUntilFree(lease, 9000), 7000, 'seeing it unchanged is no renewal');
      const renewed = heldBy(lease, by('a', holdersClock + 2));
      seen.observe(renewed, 11_000);
      assert.equal(seen.msUntilFree(renewed, 11_000), 15_000);
    }
  });

  test('given back, it is free at once', () => {
    const seen = new ObservedLease();
    const lease = released(heldBy(empty, by('a', 0)), new Date(1000));
    seen.observe(lease, 0);
    assert.equal(seen.msUntilFree(lease, 0), 0);
  });
});
