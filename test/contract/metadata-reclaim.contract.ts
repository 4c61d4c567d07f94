/** What every MetadataStore promises about taking space back: nothing that is still wanted is dropped, everything else is. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Digest } from '../../src/domain/oci/digest.ts';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import { addBlob, by, digest, layer, manifest, nameBlob } from './fixtures.ts';
import { feed, type MetadataFixture, type OpenMetadata } from './metadata.contract.ts';
import { LONG } from './metadata-blobs.contract.ts';

const HOUR = 3_600_000;

export function metadataReclaimContract(name: string, open: OpenMetadata): void {
  describe(`${name} as metadata store: reclaim`, () => {
    let fixture: MetadataFixture;
    let store: MetadataStore;
    let count = 0;
    /** Moves on with each test, so that none meets another's blobs. */
    let now = 1_000_000 * HOUR;
    const repository = 'reclaim/r';
    const freshDigest = () => digest(0xc0000 + count++);
    const push = (target: Digest, at = now) => addBlob(store, repository, target, at);
    const condemn = (before: number, at = now) => store.condemnBlobs({ before, now: at, limit: 100 });
    const drop = async (before: number, condemnedBefore = now) => {
      const dropped = await store.dropCondemned({ condemnedBefore, before, now, limit: 100 });
      return dropped.map((blob) => blob.digest);
    };
    const due = async (keys: readonly string[], at = now + LONG) =>
      (await store.dueRemovals(at, 1000)).map(({ key }) => key).filter((key) => keys.includes(key));
    before(async () => {
      fixture = await open();
      store = fixture.store;
    });
    beforeEach(async () => {
      now += 10 * HOUR;
      // What tests before left behind.
      await condemn(now - HOUR);
      await drop(now - HOUR);
    });
    after(() => fixture.close());

    it('condemns what lost its last reference long enough ago, and nothing else', async () => {
      const [old, young, needed] = [freshDigest(), freshDigest(), freshDigest()];
      await push(old, now - 100);
      await push(young, now - 99);
      await push(needed, now - 100);
      await store.putManifest(manifest({ repository, digest: freshDigest(), edges: [layer(needed)] }));
      assert.equal(await condemn(now - 100), 1);
      assert.equal(await condemn(now - 100), 0);
      assert.deepEqual(await drop(now - 100), [old]);
      assert.ok((await store.blob(repository, young)) && (await store.blob(repository, needed)));
      assert.equal(await store.blob(repository, old), undefined);
      assert.deepEqual(await store.repositoriesWithBlob(old, 9), []);
    });

    it('drops only what was condemned before, at most as many as asked', async () => {
      const all = [freshDigest(), freshDigest(), freshDigest()];
      for (const one of all) await push(one, now - 100);
      assert.deepEqual(await drop(now), []);
      assert.equal(await store.condemnBlobs({ before: now, now: now - 10, limit: 2 }), 2);
      assert.equal(await store.condemnBlobs({ before: now, now: now - 5, limit: 2 }), 1);
      assert.deepEqual(await drop(now, now - 11), []);
      assert.equal((await store.dropCondemned({ condemnedBefore: now - 10, before: now, now, limit: 1 })).length, 1);
      assert.equal((await drop(now, now - 10)).length, 1);
      assert.equal((await drop(now, now - 5)).length, 1);
    });

    it('turns a dropped blob into a removal, which stays until its bytes are gone', async () => {
      const target = freshDigest();
      const { blobs, reclaimableBytes } = await store.statistics();
      const key = await push(target, now - 100);
      await condemn(now);
      assert.deepEqual(await store.unaccounted([{ key, uploadId: randomUUID() }]), []);
      const dropped = await store.dropCondemned({ condemnedBefore: now, before: now, now, limit: 10 });
      assert.deepEqual(dropped, [{ digest: target, size: 10, key }]);
      const counted = await store.statistics();
      assert.deepEqual([counted.blobs, counted.reclaimableBytes], [blobs, reclaimableBytes]);
      assert.deepEqual(await due([key], now - 1), []);
      assert.deepEqual(await due([key]), [key]);
      assert.deepEqual(await store.unaccounted([{ key, uploadId: randomUUID() }]), []);
      await store.forgetRemovals([key]);
      assert.deepEqual(await due([key]), []);
      assert.deepEqual(await store.unaccounted([{ key, uploadId: randomUUID() }]), [key]);
    });

    const rescues: Record<string, (target: Digest) => Promise<unknown>> = {
      'a manifest': (target) =>
        store.putManifest(manifest({ repository, digest: freshDigest(), edges: [layer(target)] })),
      'a mount': (target) => store.mountBlob({ repository: 'reclaim/other', from: repository, digest: target, now }),
      'a lease': (target) => store.renewLease([target], now),
      'the same blob pushed again': (target) => push(target),
    };
    for (const [what, rescue] of Object.entries(rescues)) {
      it(`spares what ${what} saved after it was condemned`, async () => {
        const target = freshDigest();
        await push(target, now - 2 * HOUR);
        assert.equal(await condemn(now - HOUR), 1);
        await rescue(target);
        assert.deepEqual(await drop(now - HOUR), []);
        assert.ok(await store.blob(repository, target));
      });

      it(`does not condemn what ${what} saved`, async () => {
        const target = freshDigest();
        await push(target, now - 2 * HOUR);
        await rescue(target);
        assert.equal(await condemn(now - HOUR), 0);
      });
    }

    it('leaves what is dropped while it is asked for either there, or unknown to who asked', async () => {
      for (let round = 0; round < 10; round++) {
        const target = freshDigest();
        await push(target, now - 100_000);
        await condemn(now - 50_000);
        const [leased, dropped] = await Promise.all([store.renewLease([target], now), drop(now - 50_000)]);
        assert.equal(leased, !dropped.includes(target));
        assert.equal((await store.blob(repository, target)) !== undefined, leased);
      }
    });

    it('leaves what is dropped while a manifest comes either there, or missing to who pushes', async () => {
      for (let round = 0; round < 10; round++) {
        const target = freshDigest();
        await push(target, now - 100);
        await condemn(now - 50);
        const put = manifest({ repository, digest: freshDigest(), edges: [layer(target)] });
        const [pushed, dropped] =
          round % 2 === 0
            ? await Promise.all([store.putManifest(put), drop(now - 50)])
            : await Promise.all([drop(now - 50), store.putManifest(put)]).then(([d, p]) => [p, d] as const);
        assert.equal(pushed.outcome, dropped.includes(target) ? 'missing' : 'stored');
      }
    });

    it('keeps what a kept snapshot names, and only that', async () => {
      const [early, middle, late] = [freshDigest(), freshDigest(), freshDigest()];
      const replaced = await push(middle, now - 5 * HOUR);
      const before = await push(early, now - 9 * HOUR);
      await condemn(now - 8 * HOUR, now - 8 * HOUR);
      await store.dropCondemned({ condemnedBefore: now, before: now - 8 * HOUR, now: now - 7 * HOUR, limit: 9 });
      const snapshot = { name: `s${now}`, sequence: 1, takenAt: now - 4 * HOUR, size: 1 };
      await store.addSnapshot(snapshot);
      const fresh = await push(middle, now - 3 * HOUR);
      const after = await push(late, now - 2 * HOUR);
      await condemn(now - HOUR);
      await drop(now - HOUR);
      const keys = [replaced, before, fresh, after];
      assert.deepEqual((await due(keys)).sort(), [before, fresh, after].sort());
      await store.dropSnapshot(snapshot.name);
      assert.deepEqual((await due(keys)).sort(), [...keys].sort());
    });

    it('accounts for bytes of an upload, of a blob and of a removal', async () => {
      const [target, uploadId] = [freshDigest(), randomUUID()];
      const key = `key of ${uploadId}`;
      assert.deepEqual(await store.unaccounted([{ key, uploadId }]), [key]);
      await store.createUpload({ id: uploadId, repository, owner: 'x', startedAt: now });
      assert.deepEqual(await store.unaccounted([{ key, uploadId }]), []);
      await store.addBlob({ repository, digest: target, size: 10, key, uploadId, now });
      assert.deepEqual(await store.unaccounted([{ key, uploadId }]), []);
      const orphan = { key: `orphan ${uploadId}`, size: 5, createdAt: 0, now };
      await store.addRemovals([orphan, { ...orphan, key }]);
      assert.deepEqual(await due([orphan.key, key]), [orphan.key]);
      assert.deepEqual(await store.unaccounted([{ key: orphan.key, uploadId: randomUUID() }]), []);
    });

    it('accounts for bytes that are as old as the database', async () => {
      const since = await store.accountsSince();
      assert.ok(since > Date.now() - HOUR && since <= Date.now(), `${since}`);
    });

    it('lists what is quarantined, and puts it back into service when it was right after all', async () => {
      const [one, two] = [freshDigest(), freshDigest()];
      const keys = [await push(one), await push(two)];
      await store.quarantineBlob(one, keys[0] ?? '', 'missing', now);
      await store.quarantineBlob(two, keys[1] ?? '', 'wrong hash', now);
      const listed = (await store.quarantined({ limit: 100 })).filter((row) => keys.includes(row.key));
      assert.deepEqual(listed, [
        { digest: one, size: 10, key: keys[0], damage: 'missing' },
        { digest: two, size: 10, key: keys[1], damage: 'wrong hash' },
      ]);
      assert.deepEqual(
        (await store.quarantined({ last: one, limit: 1 })).map((row) => row.digest),
        [two],
      );
      assert.equal(await store.renewLease([one], now), false);
      assert.equal(await store.releaseBlob(one, 'another key'), false);
      assert.equal(await store.releaseBlob(one, keys[0] ?? ''), true);
      assert.equal(await store.releaseBlob(one, keys[0] ?? ''), false);
      assert.ok(await store.blob(repository, one));
      await nameBlob(store, {
        repository,
        digest: two,
        size: 10,
        key: `healed ${two}`,
        uploadId: randomUUID(),
        now,
      });
      assert.deepEqual(
        (await store.quarantined({ limit: 100 })).filter((row) => row.digest === two),
        [],
      );
    });

    it('trims changes and tombstones that are old and that everybody has read', async () => {
      const [name, target] = ['reclaim/trim', freshDigest()];
      const put = (at: number) =>
        store.putManifest(manifest({ repository: name, digest: target, tags: ['t'], by: by(at) }));
      await put(now - 100);
      await store.deleteTag(name, 't', by(now - 90));
      await put(now - 80);
      await store.deleteTag(name, 't', by(now - 10));
      const ours = async () => (await feed(store)).filter((row) => row.repository === name).map(({ at }) => now - at);
      const sequenceAt = async (at: number) => (await feed(store)).find((row) => row.at === at)?.sequence ?? -1;
      assert.deepEqual(await ours(), [100, 100, 90, 80, 10]);
      const unread = await sequenceAt(now - 90);
      while ((await store.trimHistory({ before: now - 50, upTo: unread - 1, limit: 100 })) > 0);
      assert.deepEqual(await ours(), [90, 80, 10]);
      while ((await store.trimHistory({ before: now - 50, upTo: Number.MAX_SAFE_INTEGER, limit: 1 })) > 0);
      assert.deepEqual(await ours(), [10]);
      assert.ok((await store.lastSequence()) >= unread);
    });
  });
}
