/** What every MetadataStore promises about lists: order, pages from any place, filters. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import { addBlob, by, digest, manifest } from './fixtures.ts';
import type { MetadataFixture, OpenMetadata } from './metadata.contract.ts';

export function metadataListContract(name: string, open: OpenMetadata): void {
  describe(`${name} as metadata store: lists`, () => {
    let fixture: MetadataFixture;
    let store: MetadataStore;
    let count = 0;
    const fresh = () => `lists/r${count++}`;
    before(async () => {
      fixture = await open();
      store = fixture.store;
    });
    after(() => fixture.close());

    describe('tags', () => {
      it('are listed in ASCII order from any place', async () => {
        const repository = fresh();
        const tags = ['b', 'B', 'a-1', 'a.1', 'a_1', '0', '_x', 'zz', 'a', 'aa'];
        await store.putManifest(manifest({ repository, digest: digest(1), tags }));
        const sorted = [...tags].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        assert.deepEqual(await store.tags(repository, { limit: 100 }), sorted);
        assert.deepEqual(await store.tags(repository, { limit: 0 }), []);
        assert.deepEqual(await store.tags(repository, { last: 'a/', limit: 2 }), ['a_1', 'aa'].slice(0, 2));
        for (let at = 0; at < sorted.length; at++)
          assert.deepEqual(
            await store.tags(repository, { last: sorted[at] ?? '', limit: 3 }),
            sorted.slice(at + 1, at + 4),
          );
        assert.deepEqual(await store.tags(`${repository}x`, { limit: 3 }), []);
      });
    });

    describe('repositories', () => {
      it('are listed while they hold a manifest', async () => {
        const prefix = fresh();
        for (const n of ['c', 'a', 'b/x'])
          await store.putManifest(manifest({ repository: `${prefix}/${n}`, digest: digest(1) }));
        await addBlob(store, `${prefix}/blob-only`, digest(3));
        const list = () => store.repositories({ last: prefix, limit: 3 });
        assert.deepEqual(await list(), [`${prefix}/a`, `${prefix}/b/x`, `${prefix}/c`]);
        assert.deepEqual(await store.repositories({ last: `${prefix}/a`, limit: 1 }), [`${prefix}/b/x`]);
        await store.deleteManifest(`${prefix}/b/x`, digest(1), by(1));
        assert.deepEqual((await list()).slice(0, 2), [`${prefix}/a`, `${prefix}/c`]);
        assert.equal(await store.repositoryExists(`${prefix}/blob-only`), true);
        assert.equal(await store.repositoryExists(`${prefix}/never`), false);
      });
    });

    describe('referrers', () => {
      it('are found by subject and artifact type, paged in digest order', async () => {
        const repository = fresh();
        const subject = digest(0x99);
        for (let n = 1; n <= 6; n++) {
          const artifactType = n % 2 === 0 ? 'even/x' : 'odd/x';
          const parts = { repository, digest: digest(n), subject, artifactType, annotations: { n: `${n}` } };
          await store.putManifest(
            manifest({ ...parts, edges: [{ kind: 'subject', digest: subject, required: false }] }),
          );
        }
        const all = await store.referrers(repository, subject, { limit: 99 });
        assert.deepEqual(
          all.map((row) => row.digest),
          [1, 2, 3, 4, 5, 6].map(digest),
        );
        assert.deepEqual([all[0]?.artifactType, all[0]?.annotations], ['odd/x', { n: '1' }]);
        const page = await store.referrers(repository, subject, { last: digest(2), limit: 1, artifactType: 'even/x' });
        assert.deepEqual(
          page.map((row) => row.digest),
          [digest(4)],
        );
        assert.deepEqual(await store.referrers(repository, digest(0x98), { limit: 9 }), []);
        assert.deepEqual(await store.referrers(fresh(), subject, { limit: 9 }), []);
        const pairs = await store.referrerPairs(repository, [digest(0x98), digest(1), subject], 99);
        assert.deepEqual(
          pairs.map((pair) => `${pair.subject} ${pair.digest}`).sort(),
          [1, 2, 3, 4, 5, 6].map((n) => `${subject} ${digest(n)}`).sort(),
        );
        assert.equal((await store.referrerPairs(repository, [subject], 2)).length, 2);
        assert.deepEqual(await store.referrerPairs(repository, [], 9), []);
        assert.deepEqual(await store.referrerPairs(fresh(), [subject], 9), []);
        await store.deleteManifest(repository, digest(3), by(1));
        assert.equal((await store.referrers(repository, subject, { limit: 99 })).length, 5);
      });
    });

    it('pages through all manifests, each once', async () => {
      const repositories = [fresh(), fresh()];
      for (const repository of repositories)
        for (let n = 1; n <= 5; n++) await store.putManifest(manifest({ repository, digest: digest(n) }));
      const rows = await everyManifest(store, 3);
      const names = rows.map((row) => `${row.repository} ${row.digest}`);
      assert.equal(new Set(names).size, (await store.statistics()).manifests);
      assert.deepEqual(names, [...names].sort());
      for (const repository of repositories)
        assert.equal(rows.filter((row) => row.repository === repository).length, 5);
    });

    it('pages through all blobs', async () => {
      for (let n = 0; n < 3; n++) await addBlob(store, fresh(), digest(0xe0 + n));
      const blobs = await store.blobs({ limit: 10_000 });
      assert.equal(blobs.length, (await store.statistics()).blobs);
      const [first, second] = blobs;
      assert.ok(first !== undefined && second !== undefined);
      assert.deepEqual(await store.blobs({ last: first.digest, limit: 1 }), [second]);
    });
  });
}

async function everyManifest(store: MetadataStore, limit: number) {
  const rows = [];
  for (let page = await store.manifests({ limit }); ; ) {
    rows.push(...page);
    const last = page.at(-1);
    if (last === undefined) return rows;
    page = await store.manifests({ last: { repository: last.repository, digest: last.digest }, limit });
  }
}
