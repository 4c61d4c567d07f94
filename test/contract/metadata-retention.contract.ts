/** What every MetadataStore promises retention: what a plan is made of, and that nothing expires that is not as the plan saw it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Digest } from '../../src/domain/oci/digest.ts';
import type { ExpiryResult, ImageRow } from '../../src/registry/metadata/retaining.ts';
import type { NewEdge } from '../../src/registry/metadata/store.ts';
import { addBlob, by, digest, layer, manifest } from './fixtures.ts';
import { feed, type MetadataFixture, type OpenMetadata } from './metadata.contract.ts';

type Store = MetadataFixture['store'];

export function child(target: Digest): NewEdge {
  return { kind: 'child', digest: target, required: false };
}

export async function imagesIn(store: Store, repository: string): Promise<ImageRow[]> {
  const rows = (await Array.fromAsync(store.images(repository))).flat();
  return rows.sort((a, b) => (a.digest < b.digest ? -1 : 1));
}

/** Expires these as they are now. */
export async function expireNow(
  store: Store,
  repository: string,
  digests: readonly Digest[],
  { at = 5000, until = 9000 } = {},
): Promise<ExpiryResult> {
  const images = await store.imagesOf(repository, digests);
  const { revision } = await store.inventories();
  const actor = { name: 'retention/p', now: at };
  return store.expire({ repository, images, by: actor, policy: 'p, rule 1', until, inUseRevision: revision });
}

export function metadataRetentionContract(name: string, open: OpenMetadata): void {
  describe(`${name} as metadata store: retention`, () => {
    let fixture: MetadataFixture;
    let store: Store;
    let count = 0;
    const fresh = () => `retention/r${count++}`;
    const put = (repository: string, n: number, parts: Partial<Parameters<typeof manifest>[0]> = {}) =>
      store.putManifest(manifest({ repository, digest: digest(n), ...parts }));
    const seen = (n: number, tags: string[] = [], pulledHour?: number) => ({
      digest: digest(n),
      tags,
      ...(pulledHour !== undefined && { pulledHour }),
    });
    const expire = async (repository: string, images: ReturnType<typeof seen>[]) => {
      const { revision } = await store.inventories();
      const result = await store.expire({
        repository,
        images,
        by: by(50),
        policy: 'p',
        until: 99,
        inUseRevision: revision,
      });
      assert.equal(result.outcome, 'done');
      return result.outcome === 'done'
        ? { expired: [...result.expired].sort(), changed: [...result.changed].sort() }
        : result;
    };
    before(async () => {
      fixture = await open();
      store = fixture.store;
    });
    after(() => fixture.close());

    describe('images', () => {
      it('have all that a plan asks of them', async () => {
        const repository = fresh();
        const config: NewEdge = { kind: 'config', digest: digest(0xc1), required: false };
        const subject: NewEdge = { kind: 'subject', digest: digest(1), required: false };
        await put(repository, 1, { edges: [config], contentSize: 77, tags: ['b', 'a'], by: by(10) });
        await put(repository, 2, { edges: [child(digest(1)), child(digest(9))], contentSize: 5, by: by(20) });
        await put(repository, 3, {
          edges: [subject],
          subject: digest(1),
          contentSize: 6,
          mediaType: 'x/y',
          by: by(30),
        });
        await store.notePulls([{ repository, digest: digest(2), hour: 400 }]);
        await put(fresh(), 4, { tags: ['a'] });
        const mediaType = 'application/vnd.oci.image.manifest.v1+json';
        const [one, two, three] = await imagesIn(store, repository);
        const common = { mediaType, tags: [] };
        assert.deepEqual(
          { ...one, tags: [...(one?.tags ?? [])].sort() },
          { ...common, digest: digest(1), tags: ['a', 'b'], pushedAt: 10, contentSize: 77, config: digest(0xc1) },
        );
        const children = [digest(1), digest(9)];
        assert.deepEqual(two, {
          ...common,
          digest: digest(2),
          pushedAt: 20,
          pulledHour: 400,
          contentSize: 5,
          children,
        });
        assert.deepEqual(three, {
          ...common,
          digest: digest(3),
          mediaType: 'x/y',
          pushedAt: 30,
          contentSize: 6,
          subject: digest(1),
        });
        const some = await store.imagesOf(repository, [digest(3), digest(7), digest(2)]);
        assert.deepEqual(new Set(some), new Set([two, three]));
        assert.deepEqual(await imagesIn(store, fresh()), []);
      });

      it('without a size of their content have that of the blobs that are known', async () => {
        const repository = fresh();
        const [config, part] = [digest(0xe1), digest(0xe2)];
        await addBlob(store, repository, config);
        await addBlob(store, repository, part);
        const bytes = Buffer.from('{}');
        const edges = [{ ...layer(config), kind: 'config' as const }, layer(part), layer(digest(0xe3), false)];
        await put(repository, 1, { edges, bytes });
        await put(repository, 2, { edges: [child(digest(1))], bytes });
        const [image, index] = await imagesIn(store, repository);
        assert.deepEqual([image?.contentSize, image?.config], [22, config]);
        assert.deepEqual([index?.contentSize, index?.children], [2, [digest(1)]]);
      });

      it('pushed again keep their time; as another media type they are what the last push says', async () => {
        const repository = fresh();
        await put(repository, 1, { edges: [child(digest(5))], contentSize: 1, by: by(10) });
        await put(repository, 1, { edges: [], contentSize: 2, mediaType: 'x/z', by: by(20) });
        const [row] = await imagesIn(store, repository);
        assert.deepEqual([row?.pushedAt, row?.contentSize, row?.children], [10, 2, undefined]);
      });

      it('come in batches, all of them as of one moment', async () => {
        const repository = fresh();
        const names = Array.from({ length: 4500 }, (_, n) => `t${n}`);
        for (let n = 0; n < names.length; n += 90)
          await Promise.all(names.slice(n, n + 90).map((tag, at) => put(repository, 1 + n + at, { tags: [tag] })));
        const found: string[] = [];
        let batches = 0;
        for await (const batch of store.images(repository)) {
          if (batches++ === 0) await put(repository, 0xffff, { tags: ['late', 't4499', 't0'] });
          found.push(...batch.map((row) => `${row.digest} ${row.tags}`));
        }
        assert.ok(batches > 1);
        const expected = names.map((tag, n) => `${digest(1 + n)} ${tag}`);
        assert.deepEqual(found.sort(), expected.sort());
        assert.equal((await imagesIn(store, repository)).length, 4501);
      });

      it('are left in the middle by a reader that has seen enough', async () => {
        const repository = fresh();
        await put(repository, 1);
        for (let n = 0; n < 30; n++) for await (const _ of store.images(repository)) break;
        assert.equal((await imagesIn(store, repository)).length, 1);
      });
    });

    describe('expiry', () => {
      it('takes the image and its tags away, and tells it in the feed and in tombstones', async () => {
        const repository = fresh();
        await put(repository, 1, { tags: ['b', 'a'] });
        await put(repository, 2, { tags: ['c'] });
        const { manifests, tags } = await store.statistics();
        const start = (await feed(store)).at(-1)?.sequence ?? 0;
        assert.deepEqual(await expire(repository, [seen(1, ['a', 'b'])]), { expired: [digest(1)], changed: [] });
        assert.equal(await store.manifest(repository, { digest: digest(1) }), undefined);
        assert.equal(await store.manifestBytes(repository, { tag: 'a' }), undefined);
        assert.deepEqual(await store.tags(repository, { limit: 9 }), ['c']);
        const counts = await store.statistics();
        assert.deepEqual([counts.manifests, counts.tags], [manifests - 1, tags - 2]);
        const rows = (await feed(store)).filter(({ sequence }) => sequence > start);
        assert.deepEqual(
          rows.map(({ kind, tag, actor, digest: of, tombstone }) => [kind, tag, actor, of, tombstone]),
          [
            ['tag-deleted', 'a', 'tester', digest(1), 'expired'],
            ['tag-deleted', 'b', 'tester', digest(1), 'expired'],
            ['manifest-deleted', undefined, 'tester', digest(1), undefined],
          ],
        );
        assert.equal((await store.tagRecord(repository, 'a'))?.deleted, 'expired');
      });

      it('of the last image leaves a repository that is not listed', async () => {
        const repository = fresh();
        await put(repository, 1);
        const { repositories } = await store.statistics();
        await expire(repository, [seen(1)]);
        assert.equal((await store.repositories({ limit: 1000 })).includes(repository), false);
        assert.equal((await store.statistics()).repositories, repositories - 1);
      });

      it('leaves what got a tag, lost one, or is gone', async () => {
        const repository = fresh();
        await put(repository, 1, { tags: ['new'] });
        await put(repository, 2, { tags: ['kept'] });
        await put(repository, 3, { tags: ['moved'] });
        await put(repository, 4, { tags: ['x', 'moved'] });
        const batch = [seen(1), seen(2, ['kept', 'lost']), seen(3, ['moved']), seen(4, ['x']), seen(5)];
        const changed = [1, 2, 3, 4, 5].map(digest);
        assert.deepEqual(await expire(repository, batch), { expired: [], changed });
        assert.deepEqual(await expire(fresh(), [seen(1)]), { expired: [], changed: [digest(1)] });
        assert.deepEqual(await store.tags(repository, { limit: 9 }), ['kept', 'moved', 'new', 'x']);
      });

      it('leaves what was pulled later than seen, and takes what was pulled no later', async () => {
        const repository = fresh();
        for (const n of [1, 2, 3]) await put(repository, n);
        const pull = (n: number, hour: number) => ({ repository, digest: digest(n), hour });
        await store.notePulls([pull(1, 7), pull(2, 8), pull(3, 7)]);
        const result = await expire(repository, [seen(1), seen(2, [], 7), seen(3, [], 7)]);
        assert.deepEqual(result, { expired: [digest(3)], changed: [digest(1), digest(2)] });
      });

      it('leaves children of an index that stays, and theirs', async () => {
        const repository = fresh();
        await put(repository, 1);
        await put(repository, 2, { edges: [child(digest(1))] });
        await put(repository, 3, { edges: [child(digest(2))], tags: ['live'] });
        await put(repository, 4, { edges: [child(digest(1))] });
        assert.deepEqual(await expire(repository, [seen(1), seen(2), seen(4)]), {
          expired: [digest(4)],
          changed: [digest(1), digest(2)],
        });
        // The same through an index of the batch that somebody tagged.
        assert.deepEqual(await expire(repository, [seen(1), seen(2), seen(3)]), {
          expired: [],
          changed: [digest(1), digest(2), digest(3)],
        });
        const all = await expire(repository, [seen(1), seen(2), seen(3, ['live'])]);
        assert.deepEqual(all, { expired: [digest(1), digest(2), digest(3)], changed: [] });
      });

      it('asks for parents in that repository alone', async () => {
        const repository = fresh();
        await put(repository, 1);
        await put(fresh(), 2, { edges: [child(digest(1))], tags: ['t'] });
        assert.deepEqual((await expire(repository, [seen(1)])).expired, [digest(1)]);
      });

      it('leaves the index with a child that is wanted, and with it the other children', async () => {
        const repository = fresh();
        await put(repository, 1);
        await put(repository, 2);
        await put(repository, 3, { edges: [child(digest(1)), child(digest(2))] });
        await put(repository, 4, { edges: [child(digest(3))] });
        await store.notePulls([{ repository, digest: digest(1), hour: 9 }]);
        const batch = [seen(4), seen(3), seen(2), seen(1)];
        assert.deepEqual(await expire(repository, batch), { expired: [], changed: [1, 2, 3, 4].map(digest) });
        const later = [seen(4), seen(3), seen(2), seen(1, [], 9)];
        assert.deepEqual((await expire(repository, later)).expired, [1, 2, 3, 4].map(digest));
      });

      it('leaves referrers with the image that they belong to, by subject and by tag', async () => {
        const repository = fresh();
        const subject: NewEdge = { kind: 'subject', digest: digest(1), required: false };
        const signature = `${digest(1).replace(':', '-')}.sig`;
        await put(repository, 1, { tags: ['v1'] });
        await put(repository, 2, { edges: [subject], subject: digest(1) });
        await put(repository, 3, { tags: [signature] });
        const batch = (tags: string[]) => [seen(1, tags), seen(2), seen(3, [signature])];
        assert.deepEqual((await expire(repository, batch([]))).expired, []);
        assert.deepEqual((await expire(repository, batch(['v1']))).expired, [1, 2, 3].map(digest));
      });

      it('does nothing where a cluster has reported something new since', async () => {
        const repository = fresh();
        await put(repository, 1);
        const { revision } = await store.inventories();
        await store.putInventory({ cluster: 'c', reportedAt: 1, receivedAt: 2, document: '{}', names: ['new'] });
        const batch = { repository, images: [seen(1)], by: by(50), policy: 'p', until: 99, inUseRevision: revision };
        assert.deepEqual(await store.expire(batch), { outcome: 'in-use-changed' });
        assert.ok(await store.manifest(repository, { digest: digest(1) }));
        assert.deepEqual(await store.trash({ repository, limit: 9 }), []);
      });
    });

    describe('inventories', () => {
      const report = (cluster: string, names: string[], reportedAt = 1) =>
        store.putInventory({ cluster, reportedAt, receivedAt: reportedAt + 1, document: JSON.stringify(names), names });

      it('are kept one a cluster, and only new names make a new revision', async () => {
        await store.keepInventories([]);
        const { revision } = await store.inventories();
        assert.deepEqual(await report('a', ['x', 'y']), { revision: revision + 1 });
        assert.deepEqual(await report('a', ['y']), { revision: revision + 1 });
        assert.deepEqual(await report('b', []), { revision: revision + 1 });
        assert.deepEqual(await report('a', ['y', 'x'], 7), { revision: revision + 2 });
        assert.deepEqual(await store.inventories(), {
          revision: revision + 2,
          reports: [
            { cluster: 'a', reportedAt: 7, receivedAt: 8, document: '["y","x"]', names: ['y', 'x'] },
            { cluster: 'b', reportedAt: 1, receivedAt: 2, document: '[]', names: [] },
          ],
        });
        assert.deepEqual(await store.reporters(), {
          revision: revision + 2,
          reports: [
            { cluster: 'a', reportedAt: 7, receivedAt: 8 },
            { cluster: 'b', reportedAt: 1, receivedAt: 2 },
          ],
        });
        assert.deepEqual((await store.inventory('a'))?.names, ['y', 'x']);
        assert.equal(await store.inventory('c'), undefined);
        await store.keepInventories(['b', 'c']);
        const { reports } = await store.inventories();
        assert.deepEqual(
          reports.map(({ cluster }) => cluster),
          ['b'],
        );
      });
    });
  });
}
