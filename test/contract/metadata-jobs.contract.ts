/** What every MetadataStore promises about jobs: each is held by one worker, and none is lost with its worker. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import type { MetadataFixture, OpenMetadata } from './metadata.contract.ts';

export function metadataJobContract(name: string, open: OpenMetadata): void {
  describe(`${name} as metadata store: jobs`, () => {
    let fixture: MetadataFixture;
    let store: MetadataStore;
    let count = 0;
    const now = 1_000_000;
    /** A kind of its own for each test. */
    const fresh = () => `kind-${count++}`;
    const add = (kind: string, key = 'k', runAt = now, payload = '{}') =>
      store.enqueueJob({ kind, key, payload, runAt, now });
    const claim = (kind: string, worker: string, at = now) =>
      store.claimJob({ kinds: ['none', kind], worker, now: at, leaseUntil: at + 100 });
    before(async () => {
      fixture = await open();
      store = fixture.store;
    });
    after(() => fixture.close());

    it('are taken in order of time, none before its time and none of another kind', async () => {
      const kind = fresh();
      await add(kind, 'second', now - 1);
      await add(kind, 'first', now - 2);
      await add(kind, 'later', now + 1);
      await add(fresh(), 'other', now - 9);
      const taken = [await claim(kind, 'w'), await claim(kind, 'w'), await claim(kind, 'w')];
      assert.deepEqual(
        taken.map((job) => job?.key),
        ['first', 'second', undefined],
      );
      assert.deepEqual(taken[0], { id: taken[0]?.id, kind, key: 'first', payload: '{}', attempts: 1 });
    });

    it('are held by one of many who want them at once', async () => {
      const kind = fresh();
      for (const key of ['a', 'b', 'c']) await add(kind, key);
      const wanted = await Promise.all(Array.from({ length: 8 }, (_, n) => claim(kind, `w${n}`)));
      assert.deepEqual(wanted.flatMap((job) => job?.key ?? []).sort(), ['a', 'b', 'c']);
    });

    it('exist once for each kind and key; another call may only bring them forward', async () => {
      const kind = fresh();
      await add(kind, 'k', now + 50, '{"first":1}');
      await add(kind, 'k', now + 90, '{"second":2}');
      assert.equal(await claim(kind, 'w', now + 49), undefined);
      await add(kind, 'k', now + 10, '{"third":3}');
      const job = await claim(kind, 'w', now + 10);
      assert.equal(job?.payload, '{"first":1}');
      await add(kind, 'k', now);
      assert.equal(await claim(kind, 'v', now + 11), undefined);
    });

    it('of a worker that died are taken over when its lease ends, and it finds out', async () => {
      const kind = fresh();
      await add(kind);
      const first = await claim(kind, 'dead');
      const id = first?.id ?? -1;
      assert.equal(await store.renewJob({ id, worker: 'dead', leaseUntil: now + 200, payload: '{"done":1}' }), true);
      assert.equal(await claim(kind, 'heir', now + 199), undefined);
      const second = await claim(kind, 'heir', now + 200);
      assert.deepEqual([second?.id, second?.payload, second?.attempts], [id, '{"done":1}', 2]);
      assert.equal(await store.renewJob({ id, worker: 'dead', leaseUntil: now + 900 }), false);
      assert.equal(await store.finishJob({ id, worker: 'dead' }), false);
      assert.equal(await store.renewJob({ id, worker: 'heir', leaseUntil: now + 900 }), true);
      assert.equal(await store.finishJob({ id, worker: 'heir' }), true);
      assert.equal(await claim(kind, 'heir', now + 9999), undefined);
    });

    it('that come again do so at their time, with what they remember and what went wrong', async () => {
      const kind = fresh();
      await add(kind);
      const id = (await claim(kind, 'w'))?.id ?? -1;
      const again = { runAt: now + 50, payload: '{"cursor":7}', error: 'disk on fire' };
      assert.equal(await store.finishJob({ id, worker: 'w', again }), true);
      assert.equal(await store.finishJob({ id, worker: 'w', again }), false);
      assert.equal(await claim(kind, 'v', now + 49), undefined);
      const job = await claim(kind, 'v', now + 50);
      assert.deepEqual(job, { id, kind, key: 'k', payload: '{"cursor":7}', attempts: 1, lastError: 'disk on fire' });
      await store.finishJob({ id, worker: 'v', again: { runAt: now + 60, payload: '{}' } });
      assert.equal((await claim(kind, 'v', now + 60))?.lastError, undefined);
    });

    it('can be looked at', async () => {
      const kind = fresh();
      await add(kind, 'waiting', now + 5);
      await add(kind, 'held', now - 5);
      await claim(kind, 'w');
      const seen = (await store.jobs(1000)).filter((job) => job.kind === kind);
      assert.deepEqual(seen, [
        { kind, key: 'held', runAt: now - 5, heldUntil: now + 100, attempts: 1 },
        { kind, key: 'waiting', runAt: now + 5, attempts: 0 },
      ]);
    });
  });
}
