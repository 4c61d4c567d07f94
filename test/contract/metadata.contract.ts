/** What every MetadataStore promises. Run for each implementation by a test file of its own. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import { addBlob, by, digest, layer, manifest } from './fixtures.ts';

export interface MetadataFixture {
  readonly store: MetadataStore;
  close(): Promise<void>;
}

/** Opens an empty store. */
export type OpenMetadata = () => Promise<MetadataFixture>;

export function metadataContract(name: string, open: OpenMetadata): void {
  describe(`${name} as metadata store`, () => {
    let fixture: MetadataFixture;
    let store: MetadataStore;
    let count = 0;
    /** A repository of its own for each test. */
    const fresh = () => `contract/r${count++}`;
    before(async () => {
      fixture = await open();
      store = fixture.store;
    });
    after(() => fixture.close());

    describe('manifests', () => {
      it('come back byte for byte, by tag and by digest', async () => {
        const repository = fresh();
        const bytes = Buffer.from(' { "unknown":\t[1] }\n');
        const put = manifest({
          repository,
          digest: digest(1),
          bytes,
          mediaType: 'text/odd',
          tags: ['v1', 'v2'],
          by: by(77),
        });
        assert.deepEqual(await store.putManifest(put), { outcome: 'stored', created: true });
        for (const reference of [{ tag: 'v1' }, { tag: 'v2' }, { digest: digest(1) }]) {
          const row = await store.manifestBytes(repository, reference);
          assert.ok(row !== undefined && Buffer.from(row.bytes).equals(bytes));
          assert.deepEqual(
            [row.digest, row.mediaType, row.size, row.pushedAt],
            [digest(1), 'text/odd', bytes.length, 77],
          );
          assert.equal((await store.manifest(repository, reference))?.digest, digest(1));
        }
        assert.equal(await store.manifest(repository, { tag: 'v3' }), undefined);
        assert.equal(await store.manifest(`${repository}x`, { tag: 'v1' }), undefined);
      });

      it('take on the media type of the last push', async () => {
        const repository = fresh();
        await store.putManifest(manifest({ repository, digest: digest(1), mediaType: 'a/a', tags: ['t'] }));
        assert.equal((await store.manifest(repository, { tag: 't' }))?.mediaType, 'a/a');
        const again = await store.putManifest(manifest({ repository, digest: digest(1), mediaType: 'b/b' }));
        assert.deepEqual(again, { outcome: 'stored', created: false });
        assert.equal((await store.manifest(repository, { tag: 't' }))?.mediaType, 'b/b');
        const told = (await store.changes(0, 10_000)).filter((change) => change.repository === repository);
        assert.deepEqual(
          told.map(({ kind }) => kind),
          ['manifest-put', 'tag-set', 'manifest-put'],
          'whoever follows the changes has to hear of it',
        );
      });

      it('are refused while a required target is not in the repository, and leave nothing', async () => {
        const repository = fresh();
        const [here, absent, child] = [digest(0xa1), digest(0xa2), digest(0xa3)];
        await addBlob(store, repository, here);
        await addBlob(store, fresh(), absent);
        const edges = [layer(here), layer(absent), { kind: 'child', digest: child, required: true } as const];
        const put = manifest({ repository, digest: digest(2), edges, tags: ['t'] });
        assert.deepEqual(await store.putManifest(put), { outcome: 'missing', digests: [absent, child] });
        assert.equal(await store.manifest(repository, { digest: digest(2) }), undefined);
        assert.deepEqual(await store.tags(repository, { limit: 9 }), []);
        const dangling = edges.map((edge) => ({ ...edge, required: false }));
        assert.equal((await store.putManifest({ ...put, edges: dangling })).outcome, 'stored');
      });

      it('go with their tags when their digest is deleted, and stay when a tag is', async () => {
        const repository = fresh();
        await store.putManifest(manifest({ repository, digest: digest(1), tags: ['a', 'b'] }));
        await store.putManifest(manifest({ repository, digest: digest(2), tags: ['c'] }));
        assert.equal(await store.deleteTag(repository, 'a', by(2)), true);
        assert.equal(await store.deleteTag(repository, 'a', by(3)), false);
        assert.ok(await store.manifest(repository, { digest: digest(1) }));
        assert.equal(await store.deleteManifest(repository, digest(1), by(4)), true);
        assert.equal(await store.deleteManifest(repository, digest(1), by(5)), false);
        assert.deepEqual(await store.tags(repository, { limit: 9 }), ['c']);
        assert.equal(await store.manifest(repository, { digest: digest(1) }), undefined);
        assert.ok(await store.manifest(repository, { tag: 'c' }));
      });

      it('of 4 MiB are stored, and the bytes of the caller stay his', async () => {
        const repository = fresh();
        const bytes = Buffer.alloc(4 * 1024 * 1024, 'x');
        await store.putManifest(manifest({ repository, digest: digest(5), bytes }));
        assert.equal(bytes.length, 4 * 1024 * 1024);
        const row = await store.manifestBytes(repository, { digest: digest(5) });
        assert.ok(row !== undefined && Buffer.from(row.bytes).equals(bytes));
      });
    });

    describe('tags', () => {
      it('move, and are seen moved at once', async () => {
        const repository = fresh();
        for (let n = 1; n <= 20; n++) {
          await store.putManifest(manifest({ repository, digest: digest(n), tags: ['latest'] }));
          assert.equal((await store.manifestBytes(repository, { tag: 'latest' }))?.digest, digest(n));
        }
      });

      it('have one history when two pushes race', async () => {
        const repository = fresh();
        const pushes = Array.from({ length: 30 }, (_, n) =>
          manifest({ repository, digest: digest(n), tags: ['latest'] }),
        );
        await Promise.all(pushes.map((put) => store.putManifest(put)));
        const sets = (await feed(store)).filter((row) => row.repository === repository && row.kind === 'tag-set');
        assert.equal(sets.length, 30);
        assert.equal((await store.manifest(repository, { tag: 'latest' }))?.digest, sets.at(-1)?.digest);
      });

      it('that may not move have exactly one winner', async () => {
        for (const conditions of [{ createOnly: true }, { ifNoneMatch: true }]) {
          const repository = fresh();
          const pushes = Array.from({ length: 10 }, (_, n) =>
            manifest({ repository, digest: digest(n), tags: ['v1'], conditions }),
          );
          const results = await Promise.all(pushes.map((put) => store.putManifest(put)));
          const winner = results.findIndex(({ outcome }) => outcome === 'stored');
          assert.equal(results.filter(({ outcome }) => outcome === 'stored').length, 1);
          for (const result of results)
            if (result.outcome !== 'stored')
              assert.deepEqual(result, { outcome: 'conflict', tag: 'v1', current: digest(winner) });
          assert.equal((await store.manifest(repository, { tag: 'v1' }))?.digest, digest(winner));
        }
      });

      it('obey If-Match, create-only and If-None-Match, for all tags or none', async () => {
        const repository = fresh();
        const put = (n: number, tags: string[], conditions: object) =>
          store.putManifest(manifest({ repository, digest: digest(n), tags, conditions }));
        assert.deepEqual(await put(1, ['a'], { ifMatch: digest(9) }), { outcome: 'conflict', tag: 'a' });
        assert.equal((await put(1, ['a'], { ifNoneMatch: true })).outcome, 'stored');
        assert.equal((await put(1, ['a'], { createOnly: true })).outcome, 'stored');
        assert.deepEqual(await put(1, ['a'], { ifNoneMatch: true }), {
          outcome: 'conflict',
          tag: 'a',
          current: digest(1),
        });
        assert.deepEqual(await put(2, ['new', 'a'], { createOnly: true }), {
          outcome: 'conflict',
          tag: 'a',
          current: digest(1),
        });
        assert.deepEqual(await store.tags(repository, { limit: 9 }), ['a']);
        assert.equal(await store.manifest(repository, { digest: digest(2) }), undefined);
        assert.equal((await put(2, ['a'], { ifMatch: digest(1) })).outcome, 'stored');
      });
    });

    describe('uploads', () => {
      it('are kept until they are dropped or end in a blob', async () => {
        const [one, two] = [randomUUID(), randomUUID()];
        const row = { id: one, repository: fresh(), owner: 'ann', startedAt: 5 };
        await store.createUpload(row);
        await store.createUpload({ ...row, id: two, startedAt: 6 });
        assert.deepEqual(await store.upload(one), row);
        assert.deepEqual(
          (await store.staleUploads(7, 1)).map(({ id }) => id),
          [one],
        );
        assert.deepEqual(await store.staleUploads(5, 9), []);
        await store.deleteUpload(one);
        const named = {
          repository: row.repository,
          digest: digest(0xc1),
          size: 1,
          key: `k ${two}`,
          uploadId: two,
          now: 9,
        };
        assert.equal(await store.addBlob(named), 'named');
        assert.equal(await store.addBlob(named), 'unknown-upload');
        assert.equal(await store.upload(one), undefined);
        assert.equal(await store.upload(two), undefined);
      });
    });

    describe('an upload', () => {
      const at = 1_000_000;
      const begun = async () => {
        const id = randomUUID();
        await store.createUpload({ id, repository: fresh(), owner: 'ann', startedAt: at });
        return id;
      };

      it('is held by one, who may go on holding it', async () => {
        const id = await begun();
        assert.equal(await store.holdUpload({ id, holder: 'a', now: at, until: at + 10 }), true);
        assert.equal(await store.holdUpload({ id, holder: 'b', now: at + 9, until: at + 99 }), false);
        assert.equal(await store.holdUpload({ id, holder: 'a', now: at + 9, until: at + 20 }), true);
        assert.equal(await store.holdUpload({ id, holder: 'b', now: at + 19, until: at + 99 }), false);
        assert.equal(await store.holdUpload({ id: randomUUID(), holder: 'b', now: at, until: at + 99 }), false);
      });

      it('is free once it is let go by its holder, or the time is over', async () => {
        const id = await begun();
        assert.equal(await store.holdUpload({ id, holder: 'a', now: at, until: at + 10 }), true);
        await store.releaseUpload({ id, holder: 'b' });
        assert.equal(await store.holdUpload({ id, holder: 'b', now: at + 1, until: at + 10 }), false);
        await store.releaseUpload({ id, holder: 'a' });
        assert.equal(await store.holdUpload({ id, holder: 'b', now: at + 1, until: at + 10 }), true);
        assert.equal(await store.holdUpload({ id, holder: 'a', now: at + 10, until: at + 20 }), true);
      });

      it('has one winner when two want it at once', async () => {
        const id = await begun();
        const holders = ['a', 'b', 'c', 'd', 'e', 'f'];
        const results = await Promise.all(
          holders.map((holder) => store.holdUpload({ id, holder, now: at, until: at + 10 })),
        );
        assert.equal(results.filter((held) => held).length, 1);
      });
    });

    it('takes a failing write out of a batch alone', async () => {
      const id = randomUUID();
      const row = { id, repository: fresh(), owner: 'ann', startedAt: 5 };
      const repository = fresh();
      const results = await Promise.allSettled([
        store.putManifest(manifest({ repository, digest: digest(1), tags: ['a'] })),
        store.createUpload(row),
        // No time at all: no store takes it.
        store.createUpload({ ...row, id: randomUUID(), startedAt: Number.NaN }),
        store.putManifest(manifest({ repository, digest: digest(2), tags: ['b'] })),
      ]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
      );
      assert.deepEqual(await store.tags(repository, { limit: 9 }), ['a', 'b']);
      assert.deepEqual(await store.upload(id), row);
    });

    it('tells every change once, in order', async () => {
      const repository = fresh();
      const start = (await feed(store)).at(-1)?.sequence ?? 0;
      await store.putManifest(manifest({ repository, digest: digest(1), tags: ['a', 'b'], by: by(1, 'rule-7') }));
      await store.putManifest(manifest({ repository, digest: digest(1), tags: ['a'], by: by(2) }));
      await store.deleteTag(repository, 'a', by(3));
      await store.deleteManifest(repository, digest(1), by(4));
      await addBlob(store, repository, digest(0xd1));
      await store.deleteBlob(repository, digest(0xd1), 6);
      const rows = (await feed(store)).filter((row) => row.sequence > start);
      assert.deepEqual(
        rows.map(({ at, kind, tag }) => [at, kind, tag ?? null]),
        [
          [1, 'manifest-put', null],
          [1, 'tag-set', 'a'],
          [1, 'tag-set', 'b'],
          [3, 'tag-deleted', 'a'],
          [4, 'tag-deleted', 'b'],
          [4, 'manifest-deleted', null],
          [6, 'blob-deleted', null],
        ],
      );
      assert.equal(rows[0]?.origin, 'rule-7');
      assert.deepEqual(
        rows.map(({ sequence }) => sequence),
        rows.map((_, at) => start + 1 + at),
      );
    });
  });
}

/** The whole change feed, read in pages. */
export async function feed(store: MetadataStore): Promise<Awaited<ReturnType<MetadataStore['changes']>>> {
  const rows = [];
  for (let after = 0; ; ) {
    const page = await store.changes(after, 100);
    rows.push(...page);
    const end = page.at(-1);
    if (end === undefined) return rows;
    after = end.sequence;
  }
}
