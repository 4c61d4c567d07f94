/** What every MetadataStore promises about blobs: visibility, sharing, leases, damage. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import { addBlob, by, digest, layer, manifest, nameBlob } from './fixtures.ts';
import type { MetadataFixture, OpenMetadata } from './metadata.contract.ts';

/** Longer than any store makes removed bytes wait for readers, milliseconds. */
export const LONG = 24 * 3_600_000;

export function metadataBlobContract(name: string, open: OpenMetadata): void {
  describe(`${name} as metadata store: blobs`, () => {
    let fixture: MetadataFixture;
    let store: MetadataStore;
    let count = 0;
    const fresh = () => `blobs/r${count++}`;
    const freshDigest = () => digest(0xb0000 + count++);
    const reclaimable = async () => (await store.statistics()).reclaimableBytes;
    before(async () => {
      fixture = await open();
      store = fixture.store;
    });
    after(() => fixture.close());

    it('are visible where they were pushed, and nowhere else', async () => {
      const [repository, target] = [fresh(), freshDigest()];
      const key = await addBlob(store, repository, target);
      assert.deepEqual(await store.blob(repository, target), { digest: target, size: 10, key });
      assert.equal(await store.blob(fresh(), target), undefined);
      assert.deepEqual(await store.repositoriesWithBlob(target, 9), [repository]);
    });

    it('pushed again are served from the fresh bytes everywhere, and the old ones become a removal', async () => {
      const [one, two, target] = [fresh(), fresh(), freshDigest()];
      const key = await addBlob(store, one, target);
      const again = {
        repository: two,
        digest: target,
        size: 10,
        key: `other ${target}`,
        uploadId: randomUUID(),
        now: 5,
      };
      assert.equal((await store.blob(one, target))?.key, key);
      await nameBlob(store, again);
      assert.equal((await store.blob(one, target))?.key, again.key);
      assert.equal((await store.blob(two, target))?.key, again.key);
      const due = await store.dueRemovals(5 + LONG, 1000);
      assert.deepEqual(
        due.filter((removal) => [key, again.key].includes(removal.key)),
        [{ key, size: 10 }],
      );
      assert.deepEqual(await store.repositoriesWithBlob(target, 1), [one]);
    });

    it('of an upload that was given up are not named', async () => {
      const [repository, target] = [fresh(), freshDigest()];
      const blob = { repository, digest: target, size: 10, key: `late ${target}`, uploadId: randomUUID(), now: 5 };
      assert.equal(await store.addBlob(blob), 'unknown-upload');
      assert.equal(await store.blob(repository, target), undefined);
      assert.equal(await store.repositoryExists(repository), false);
      assert.deepEqual(await store.unaccounted([blob]), [blob.key]);
    });

    it('are gone at once where they are deleted, and stay where they are shared', async () => {
      const [one, two, target] = [fresh(), fresh(), freshDigest()];
      await addBlob(store, one, target);
      assert.equal(await store.mountBlob({ repository: two, from: one, digest: target, now: 2 }), true);
      assert.ok(await store.blob(one, target));
      assert.equal(await store.deleteBlob(one, target, 3), 'deleted');
      assert.equal(await store.blob(one, target), undefined);
      assert.equal(await store.deleteBlob(one, target, 4), 'unknown');
      assert.ok(await store.blob(two, target));
      assert.equal(await store.mountBlob({ repository: one, from: one, digest: target, now: 5 }), false);
      assert.equal(await store.mountBlob({ repository: one, from: two, digest: target, now: 6 }), true);
      assert.ok(await store.blob(one, target));
    });

    it('that a manifest there needs are not deleted; one of another repository does not hold them', async () => {
      const [one, two, target] = [fresh(), fresh(), freshDigest()];
      await addBlob(store, one, target);
      await addBlob(store, two, target);
      await store.putManifest(manifest({ repository: one, digest: digest(1), edges: [layer(target)] }));
      assert.equal(await store.deleteBlob(one, target, 3), 'referenced');
      assert.ok(await store.blob(one, target));
      assert.equal(await store.deleteBlob(two, target, 3), 'deleted');
      await store.deleteManifest(one, digest(1), by(4));
      assert.equal(await store.deleteBlob(one, target, 5), 'deleted');
    });

    it('race between mount and delete ends in one of the two orders', async () => {
      for (let round = 0; round < 20; round++) {
        const [one, two, target] = [fresh(), fresh(), freshDigest()];
        await addBlob(store, one, target);
        const mount = { repository: two, from: one, digest: target, now: 2 };
        const first = round % 2 === 0;
        const [mounted, deleted] = first
          ? await Promise.all([store.mountBlob(mount), store.deleteBlob(one, target, 2)])
          : (await Promise.all([store.deleteBlob(one, target, 2), store.mountBlob(mount)])).reverse();
        assert.equal(deleted, 'deleted');
        assert.equal((await store.blob(two, target)) !== undefined, mounted);
        assert.equal(await store.blob(one, target), undefined);
      }
    });

    it('are up for review while no manifest refers to them; moving a tag changes nothing', async () => {
      const [repository, target] = [fresh(), freshDigest()];
      const before = await reclaimable();
      await addBlob(store, repository, target);
      assert.equal((await reclaimable()) - before, 10);
      await store.putManifest(manifest({ repository, digest: digest(1), edges: [layer(target)], tags: ['t'] }));
      await store.putManifest(manifest({ repository, digest: digest(2), edges: [layer(target)] }));
      assert.equal((await reclaimable()) - before, 0);
      await store.putManifest(manifest({ repository, digest: digest(2), tags: ['t'] }));
      await store.deleteManifest(repository, digest(1), by(2));
      assert.equal((await reclaimable()) - before, 0);
      await store.deleteManifest(repository, digest(2), by(3));
      assert.equal((await reclaimable()) - before, 10);
      assert.equal(await store.renewLease([target], 10_000_000), true);
      assert.equal(await store.renewLease([target, freshDigest()], 10_000_000), false);
      assert.ok(await store.blob(repository, target));
    });

    it('that are damaged are unknown until they are pushed again, which heals them everywhere', async () => {
      const [one, two, target] = [fresh(), fresh(), freshDigest()];
      const key = await addBlob(store, one, target);
      await store.mountBlob({ repository: two, from: one, digest: target, now: 2 });
      assert.ok(await store.blob(two, target));
      await store.quarantineBlob(target, 'another key', 'wrong hash', 3);
      assert.ok(await store.blob(two, target));
      await store.quarantineBlob(target, key, 'wrong hash', 3);
      assert.equal(await store.blob(one, target), undefined);
      assert.equal(await store.blob(two, target), undefined);
      assert.deepEqual(await store.repositoriesWithBlob(target, 9), []);
      const put = manifest({ repository: one, digest: digest(7), edges: [layer(target)] });
      assert.deepEqual(await store.putManifest(put), { outcome: 'missing', digests: [target] });
      const healthy = `healthy ${target}`;
      await nameBlob(store, {
        repository: one,
        digest: target,
        size: 10,
        key: healthy,
        uploadId: randomUUID(),
        now: 9,
      });
      assert.equal((await store.blob(two, target))?.key, healthy);
      assert.equal((await store.putManifest(put)).outcome, 'stored');
    });

    it('count once, however many repositories share them', async () => {
      const target = freshDigest();
      const { blobs, blobBytes } = await store.statistics();
      for (let n = 0; n < 3; n++) await addBlob(store, fresh(), target);
      const now = await store.statistics();
      assert.deepEqual([now.blobs - blobs, now.blobBytes - blobBytes], [1, 10]);
    });
  });
}
