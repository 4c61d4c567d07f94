/** What every MetadataStore promises of the trash: what expired comes back whole while it is there, and its blobs go after it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Digest } from '../../src/domain/oci/digest.ts';
import type { NewEdge } from '../../src/registry/metadata/store.ts';
import { addBlob, by, digest, layer, manifest } from './fixtures.ts';
import { feed, type MetadataFixture, type OpenMetadata } from './metadata.contract.ts';
import { child, expireNow, imagesIn } from './metadata-retention.contract.ts';

type Store = MetadataFixture['store'];

export function metadataTrashContract(name: string, open: OpenMetadata): void {
  describe(`${name} as metadata store: trash`, () => {
    let fixture: MetadataFixture;
    let store: Store;
    let count = 0;
    const fresh = () => `trash/r${count++}`;
    const freshDigest = () => digest(0xd0000 + count++);
    const put = (repository: string, n: number, parts: Partial<Parameters<typeof manifest>[0]> = {}) =>
      store.putManifest(manifest({ repository, digest: digest(n), ...parts }));
    const expire = (repository: string, ...digests: Digest[]) => expireNow(store, repository, digests);
    const restore = (repository: string, ...digests: Digest[]) => store.restore({ repository, digests, by: by(6000) });
    const digestsIn = async (repository: string) =>
      (await store.trash({ repository, limit: 99 })).map((row) => row.digest).sort();
    const reclaim = async () => {
      const now = 1_000_000;
      await store.condemnBlobs({ before: now, now, limit: 1000 });
      const dropped = await store.dropCondemned({ condemnedBefore: now, before: now, now, limit: 1000 });
      return dropped.map((blob) => blob.digest);
    };
    before(async () => {
      fixture = await open();
      store = fixture.store;
    });
    after(() => fixture.close());

    it('brings an image back byte for byte, with its times, tags and edges', async () => {
      const repository = fresh();
      const [part, config] = [freshDigest(), freshDigest()];
      await addBlob(store, repository, part);
      await addBlob(store, repository, config);
      const put1 = manifest({
        repository,
        digest: digest(1),
        bytes: Buffer.from('{ "odd":\t1 }'),
        mediaType: 'x/y',
        edges: [{ ...layer(config), kind: 'config' }, layer(part)],
        artifactType: 'an/artifact',
        subject: digest(8),
        annotations: { k: 'v' },
        contentSize: 4711,
        tags: ['v1', 'v2'],
        by: by(10),
      });
      await store.putManifest(put1);
      await store.notePulls([{ repository, digest: digest(1), hour: 77 }]);
      const [image] = await imagesIn(store, repository);
      const referrers = await store.referrers(repository, digest(8), { limit: 9 });
      const counts = await store.statistics();
      await expire(repository, digest(1));
      assert.deepEqual(await store.referrers(repository, digest(8), { limit: 9 }), []);
      const start = (await feed(store)).at(-1)?.sequence ?? 0;
      assert.deepEqual(await restore(repository, digest(1)), [
        { digest: digest(1), tags: ['v1', 'v2'], tagsTaken: [] },
      ]);
      assert.deepEqual(await imagesIn(store, repository), [image]);
      assert.deepEqual(await store.referrers(repository, digest(8), { limit: 9 }), referrers);
      assert.deepEqual(await store.statistics(), counts);
      const row = await store.manifestBytes(repository, { tag: 'v2' });
      assert.equal(Buffer.from(row?.bytes ?? []).toString(), '{ "odd":\t1 }');
      assert.equal(await store.deleteBlob(repository, part, 7000), 'referenced');
      assert.deepEqual(await digestsIn(repository), []);
      const changes = (await feed(store)).filter(({ sequence }) => sequence > start);
      assert.deepEqual(
        changes.map(({ kind, tag, actor, at }) => [kind, tag, actor, at]),
        [
          ['manifest-put', undefined, 'tester', 6000],
          ['tag-set', 'v1', 'tester', 6000],
          ['tag-set', 'v2', 'tester', 6000],
        ],
      );
    });

    it('says what is in it, in pages', async () => {
      const [one, two] = [fresh(), fresh()];
      await put(one, 1, { tags: ['b', 'a'], edges: [child(digest(3))], contentSize: 5, mediaType: 'x/y' });
      await put(one, 2);
      await put(two, 1);
      const end = (await store.trash({ limit: 1000 })).at(-1)?.expiredAt ?? 5000;
      await expireNow(store, one, [digest(2)], { at: end + 2 });
      await expireNow(store, one, [digest(1)], { at: end + 1, until: end + 99 });
      await expireNow(store, two, [digest(1)], { at: end + 1 });
      const [first, second] = await store.trash({ repository: one, limit: 9 });
      assert.deepEqual(
        { ...first, tags: [...(first?.tags ?? [])].sort() },
        {
          repository: one,
          digest: digest(1),
          mediaType: 'x/y',
          tags: ['a', 'b'],
          contentSize: 5,
          expiredAt: end + 1,
          until: end + 99,
          policy: 'p, rule 1',
          edges: [{ kind: 'child', digest: digest(3) }],
        },
      );
      assert.equal(second?.digest, digest(2));
      const all: string[] = [];
      for (let last = { expiredAt: end, repository: 'zzz', digest: digest(0xf) }; ; ) {
        const [row] = await store.trash({ last, limit: 1 });
        if (row === undefined) break;
        all.push(`${row.repository} ${row.digest}`);
        last = row;
      }
      assert.deepEqual(
        all,
        [`${one} ${digest(1)}`, `${two} ${digest(1)}`, `${one} ${digest(2)}`].sort().toSorted(byTime),
      );
      const rest = await store.trash({ repository: one, last: { ...(first as NonNullable<typeof first>) }, limit: 9 });
      assert.deepEqual(rest, [second]);

      function byTime(a: string, b: string): number {
        const late = `${one} ${digest(2)}`;
        return Number(a === late) - Number(b === late);
      }
    });

    it('finds what a name means in it: a digest, that of a config, a tag', async () => {
      const [one, two] = [fresh(), fresh()];
      const [config, image] = [freshDigest(), freshDigest()];
      const edges: NewEdge[] = [{ kind: 'config', digest: config, required: false }];
      const tags = ['t'];
      await store.putManifest(manifest({ repository: one, digest: image, edges, tags }));
      await store.putManifest(manifest({ repository: two, digest: image, tags }));
      await expire(one, image);
      await expire(two, image);
      const found = async (names: Parameters<Store['inTrash']>[0]) =>
        (await store.inTrash(names)).map((row) => `${row.repository} ${row.digest}`);
      assert.deepEqual(await found({ digests: [image, freshDigest()] }), [`${one} ${image}`, `${two} ${image}`].sort());
      assert.deepEqual(await found({ digests: [config] }), [`${one} ${image}`]);
      assert.deepEqual(
        await found({
          tags: [
            { repository: two, tag: 't' },
            { repository: two, tag: 'u' },
          ],
        }),
        [`${two} ${image}`],
      );
      assert.deepEqual(await found({}), []);
    });

    it('leaves tags alone that somebody has set or deleted meanwhile', async () => {
      const repository = fresh();
      await put(repository, 1, { tags: ['free', 'gone', 'taken'] });
      await expire(repository, digest(1));
      await put(repository, 2, { tags: ['taken', 'gone'] });
      await store.deleteTag(repository, 'gone', by(5500));
      assert.deepEqual(await restore(repository, digest(1), digest(9)), [
        { digest: digest(1), tags: ['free'], tagsTaken: ['gone', 'taken'] },
      ]);
      assert.equal((await store.manifest(repository, { tag: 'taken' }))?.digest, digest(2));
      assert.equal(await store.manifest(repository, { tag: 'gone' }), undefined);
      assert.equal((await store.manifest(repository, { tag: 'free' }))?.digest, digest(1));
      assert.deepEqual(await restore(repository, digest(1)), []);
    });

    it('gives a tag that expired twice to the image that had it last', async () => {
      const repository = fresh();
      await put(repository, 1, { tags: ['t'] });
      await expire(repository, digest(1));
      await put(repository, 2, { tags: ['t'] });
      await expire(repository, digest(2));
      const back = await restore(repository, digest(1), digest(2));
      assert.deepEqual(
        new Map(back.map((row) => [row.digest, row.tags])),
        new Map([
          [digest(1), []],
          [digest(2), ['t']],
        ]),
      );
    });

    it('brings children and referrers along, those that are there', async () => {
      const repository = fresh();
      const subject: NewEdge = { kind: 'subject', digest: digest(3), required: false };
      const signature = `${digest(1).replace(':', '-')}.sig`;
      for (const n of [1, 2]) await put(repository, n);
      await put(repository, 3, { edges: [child(digest(1)), child(digest(2)), child(digest(7))], tags: ['v'] });
      await put(repository, 4, { edges: [subject], subject: digest(3) });
      await put(repository, 5, { tags: [signature] });
      await put(repository, 6);
      await expire(repository, ...[1, 2, 3, 4, 5, 6].map(digest));
      await put(repository, 2);
      const back = await restore(repository, digest(3));
      assert.deepEqual(back.map((row) => row.digest).sort(), [1, 3, 4, 5].map(digest));
      assert.deepEqual(await digestsIn(repository), [digest(6)]);
      const changes = (await feed(store)).filter((row) => row.repository === repository && row.at === 6000);
      const order = changes.filter(({ kind }) => kind === 'manifest-put').map((row) => row.digest);
      assert.ok(order.indexOf(digest(1)) < order.indexOf(digest(3)), 'a child comes before its index');
      assert.equal((await store.referrers(repository, digest(3), { limit: 9 })).length, 1);
      assert.equal((await store.manifest(repository, { tag: signature }))?.digest, digest(5));
    });

    it('keeps blobs from reclaim and from deletion, and lets them go once it is emptied', async () => {
      const [repository, other] = [fresh(), fresh()];
      const [own, shared] = [freshDigest(), freshDigest()];
      await store.emptyTrash(8999, 1000);
      await reclaim();
      await addBlob(store, repository, own);
      await addBlob(store, repository, shared);
      await addBlob(store, other, own);
      await put(repository, 1, { edges: [layer(own), layer(shared)] });
      await put(repository, 2, { edges: [layer(shared)] });
      const { reclaimableBytes } = await store.statistics();
      await expireNow(store, repository, [digest(1)], { until: 9000 });
      // Asked about again, and pushed again, which puts blobs that nobody needs into the queue.
      await addBlob(store, other, own);
      assert.deepEqual(await reclaim(), []);
      assert.equal((await store.statistics()).reclaimableBytes, reclaimableBytes);
      assert.ok((await store.blob(repository, own)) && (await store.blob(repository, shared)));
      assert.equal(await store.deleteBlob(repository, own, 8000), 'referenced');
      assert.equal(await store.deleteBlob(other, own, 8000), 'deleted');
      assert.deepEqual(await reclaim(), []);
      assert.equal(await store.emptyTrash(8999, 9), 0);
      assert.ok((await store.emptyTrash(9000, 1000)) > 0);
      assert.deepEqual(await digestsIn(repository), []);
      assert.equal((await store.statistics()).reclaimableBytes, reclaimableBytes + 10);
      assert.deepEqual(await reclaim(), [own]);
      assert.ok(await store.blob(repository, shared));
      assert.deepEqual(await restore(repository, digest(1)), []);
    });

    it('is emptied by as much as was asked for, the oldest end first', async () => {
      const repository = fresh();
      for (const n of [1, 2, 3]) {
        await put(repository, n);
        await expireNow(store, repository, [digest(n)], { until: 100 - n });
      }
      assert.equal(await store.emptyTrash(98, 1), 1);
      assert.deepEqual(await digestsIn(repository), [1, 2].map(digest));
      assert.equal(await store.emptyTrash(98, 9), 1);
      assert.deepEqual(await digestsIn(repository), [digest(1)]);
      await store.emptyTrash(99, 9);
    });

    it('gives up what is pushed again, which is new then', async () => {
      const repository = fresh();
      const [before, now] = [freshDigest(), freshDigest()];
      await addBlob(store, repository, before);
      await addBlob(store, repository, now);
      await put(repository, 1, { edges: [layer(before)], tags: ['t'], by: by(10) });
      await expire(repository, digest(1));
      const { reclaimableBytes } = await store.statistics();
      const again = await put(repository, 1, { edges: [layer(now)], mediaType: 'x/z', by: by(7000) });
      assert.deepEqual(again, { outcome: 'stored', created: true });
      assert.deepEqual(await digestsIn(repository), []);
      const [row] = await imagesIn(store, repository);
      assert.deepEqual([row?.pushedAt, row?.tags], [7000, []]);
      // The one is needed now, and the other is not any more.
      assert.equal((await store.statistics()).reclaimableBytes, reclaimableBytes);
      assert.equal(await store.deleteBlob(repository, before, 8000), 'deleted');
      assert.equal(await store.deleteBlob(repository, now, 8000), 'referenced');
    });

    it('survives an export and an import', async () => {
      const repository = fresh();
      const part = freshDigest();
      await addBlob(store, repository, part);
      await put(repository, 1, { edges: [layer(part), child(digest(2))], tags: ['t'], contentSize: 99, by: by(10) });
      await store.notePulls([{ repository, digest: digest(1), hour: 5 }]);
      const [image] = await imagesIn(store, repository);
      await expire(repository, digest(1));
      const there = await store.trash({ repository, limit: 9 });
      const other = await open();
      try {
        await other.store.import(store.export());
        assert.deepEqual(await other.store.trash({ repository, limit: 9 }), there);
        const now = 1e15;
        await other.store.condemnBlobs({ before: now, now, limit: 10_000 });
        const dropped = await other.store.dropCondemned({ condemnedBefore: now, before: now, now, limit: 10_000 });
        assert.equal(
          dropped.some((blob) => blob.digest === part),
          false,
        );
        const back = await other.store.restore({ repository, digests: [digest(1)], by: by(6000) });
        assert.deepEqual(back, [{ digest: digest(1), tags: ['t'], tagsTaken: [] }]);
        assert.deepEqual(await imagesIn(other.store, repository), [image]);
      } finally {
        await other.close();
      }
    });
  });
}
