/** What every MetadataStore promises to those who copy between registries: versions, tombstones, and what was copied where. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { CopyRow, Replicated, TagRecord } from '../../src/registry/metadata/replicating.ts';
import type { ChangeRow, MetadataStore } from '../../src/registry/metadata/store.ts';
import { by, digest, manifest } from './fixtures.ts';
import { feed, type MetadataFixture, type OpenMetadata } from './metadata.contract.ts';
import { exchange, live, Registry, settled, step } from './replicating-registries.ts';

/** Origins before and after every identity, which is a UUID. */
const [LOW, HIGH] = ['!low', '~high'];

export function metadataReplicationContract(name: string, open: OpenMetadata): void {
  describe(`${name} as one of several registries`, () => {
    let fixture: MetadataFixture;
    let store: MetadataStore;
    let count = 0;
    const fresh = () => `replicating/r${count++}`;
    before(async () => {
      fixture = await open();
      store = fixture.store;
    });
    after(() => fixture.close());

    const put = (repository: string, n: number, replicated?: Replicated, tags: readonly string[] = ['t']) =>
      store.putManifest(
        manifest({ repository, digest: digest(n), tags, by: by(100 + n), ...(replicated && { replicated }) }),
      );
    const bury = (repository: string, replicated: Replicated, of?: number) =>
      store.deleteReplicatedTag({
        repository,
        tag: 't',
        replicated,
        by: by(200),
        ...(of !== undefined && { digest: digest(of) }),
      });
    const stand = async (repository: string, tag = 't') => {
      const record = await store.tagRecord(repository, tag);
      if (record === undefined) return undefined;
      const { version, origin, digest: of, deleted } = record;
      return [deleted ?? Number(`0x${of.slice(7)}`), version, origin ?? 'own'];
    };
    const since = async (sequence: number) => (await feed(store)).filter((row) => row.sequence > sequence);
    const told = (rows: readonly ChangeRow[]) =>
      rows.map(({ kind, version, tagOrigin, origin, tombstone }) =>
        [kind, version, tagOrigin, origin, tombstone].map((value) => value ?? '-').join(' '),
      );

    it('counts the versions of a name, through deletions', async () => {
      const repository = fresh();
      const start = await store.lastSequence();
      await put(repository, 1);
      await put(repository, 1);
      assert.deepEqual(await stand(repository), [1, 1, 'own']);
      await put(repository, 2);
      await store.deleteTag(repository, 't', by(5));
      assert.deepEqual(await stand(repository), ['deleted', 3, 'own']);
      await put(repository, 2);
      assert.deepEqual(await stand(repository), [2, 4, 'own']);
      await store.deleteManifest(repository, digest(2), by(6));
      assert.deepEqual(await stand(repository), ['deleted', 5, 'own']);
      assert.deepEqual(told((await since(start)).filter(({ tag }) => tag !== undefined)), [
        'tag-set 1 - - -',
        'tag-set 2 - - -',
        'tag-deleted 3 - - deleted',
        'tag-set 4 - - -',
        'tag-deleted 5 - - deleted',
      ]);
    });

    it('says everything of a tag and of its tombstone', async () => {
      const repository = fresh();
      await store.putManifest(
        manifest({ repository, digest: digest(1), mediaType: 'a/b', tags: ['t', 'u'], by: by(50) }),
      );
      await store.deleteTag(repository, 't', by(60));
      assert.deepEqual(await store.tagRecords(repository, { limit: 9 }), [
        { tag: 't', digest: digest(1), version: 2, changedAt: 60, deleted: 'deleted' },
        { tag: 'u', digest: digest(1), mediaType: 'a/b', version: 1, changedAt: 50, pushedAt: 50 },
      ]);
      assert.equal(await store.tagRecord(repository, 'v'), undefined);
      assert.equal(await store.tagRecord(`${repository}x`, 'u'), undefined);
      assert.deepEqual(await store.tagRecords(`${repository}x`, { limit: 9 }), []);
    });

    it('lists tags and tombstones in ASCII order, in pages of any size', async () => {
      const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,6}$/);
      const set = fc.uniqueArray(fc.record({ tag, gone: fc.boolean() }), { selector: (one) => one.tag, maxLength: 25 });
      const property = fc.asyncProperty(set, fc.integer({ min: 1, max: 8 }), async (names, limit) => {
        const repository = fresh();
        await put(
          repository,
          1,
          undefined,
          names.map((one) => one.tag),
        );
        for (const one of names) if (one.gone) await store.deleteTag(repository, one.tag, by(1));
        const seen = (await allRecords(store, repository, limit)).map(({ tag, deleted }) => [
          tag,
          deleted !== undefined,
        ]);
        const expected = names.map((one): [string, boolean] => [one.tag, one.gone]);
        assert.deepEqual(
          seen,
          expected.sort(([one], [other]) => (one < other ? -1 : 1)),
        );
      });
      await fc.assert(property, { numRuns: 25 });
    });

    it('applies a change of another registry where it is newer, with its very version', async () => {
      const repository = fresh();
      const start = await store.lastSequence();
      await put(repository, 1);
      assert.deepEqual(await put(repository, 2, { version: 7, origin: LOW }), { outcome: 'stored', created: true });
      assert.deepEqual(await stand(repository), [2, 7, LOW]);
      await put(repository, 3);
      assert.deepEqual(await stand(repository), [3, 8, 'own'], 'a change made here counts on from there');
      const rows = (await since(start)).slice(2);
      assert.deepEqual(told(rows), [
        `manifest-put - - ${LOW} -`,
        `tag-set 7 ${LOW} ${LOW} -`,
        'manifest-put - - - -',
        'tag-set 8 - - -',
      ]);
    });

    it('refuses what is older, and where versions are equal what comes from the smaller origin', async () => {
      const repository = fresh();
      await put(repository, 1, { version: 5, origin: 'm' });
      const start = await store.lastSequence();
      for (const [version, origin] of [
        [4, HIGH],
        [5, 'a'],
      ] as const) {
        assert.deepEqual(await put(repository, 2, { version, origin }), {
          outcome: 'conflict',
          tag: 't',
          current: digest(1),
        });
        assert.equal(await bury(repository, { version, origin }), 'conflict');
      }
      assert.deepEqual(await since(start), []);
      assert.equal(await store.manifest(repository, { digest: digest(2) }), undefined);
      assert.equal((await put(repository, 2, { version: 5, origin: 'n' })).outcome, 'stored');
      assert.deepEqual(await stand(repository), [2, 5, 'n']);
    });

    it('compares what was made here under its own identity', async () => {
      const repository = fresh();
      await put(repository, 1);
      assert.equal((await put(repository, 2, { version: 1, origin: LOW })).outcome, 'conflict');
      assert.equal((await put(repository, 2, { version: 1, origin: await store.identity() })).outcome, 'stored');
      const other = fresh();
      await put(other, 1);
      assert.equal((await put(other, 2, { version: 1, origin: HIGH })).outcome, 'stored');
      await put(other, 3, { version: 9, origin: await store.identity() });
      assert.deepEqual(await stand(other), [3, 9, 'own'], 'what comes home is its own again');
    });

    it('moves all tags of a push or none', async () => {
      const repository = fresh();
      await put(repository, 1, { version: 5, origin: 'm' }, ['b']);
      const result = await put(repository, 2, { version: 4, origin: 'm' }, ['a', 'b']);
      assert.deepEqual(result, { outcome: 'conflict', tag: 'b', current: digest(1) });
      assert.deepEqual(await store.tags(repository, { limit: 9 }), ['b']);
      assert.equal((await put(repository, 2, { version: 6, origin: 'm' }, ['a', 'b'])).outcome, 'stored');
    });

    it('takes the larger version over where the digest is equal, and tells nobody of a set tag', async () => {
      const repository = fresh();
      await put(repository, 1);
      const start = await store.lastSequence();
      assert.deepEqual(await put(repository, 1, { version: 1, origin: LOW }), { outcome: 'stored', created: false });
      assert.deepEqual(await since(start), []);
      assert.deepEqual(await stand(repository), [1, 1, 'own']);
      assert.deepEqual(await put(repository, 1, { version: 6, origin: LOW }), { outcome: 'stored', created: false });
      assert.deepEqual(await stand(repository), [1, 6, LOW]);
      assert.deepEqual(told(await since(start)), [`tag-version 6 ${LOW} ${LOW} -`]);
      await put(repository, 1, { version: 6, origin: LOW });
      assert.equal((await since(start)).length, 1);
      await put(repository, 2);
      assert.deepEqual(await stand(repository), [2, 7, 'own']);
    });

    it('buries a tag that another registry deleted, and does not let it come back', async () => {
      const repository = fresh();
      await put(repository, 1, { version: 3, origin: 'm' });
      const start = await store.lastSequence();
      assert.equal(await bury(repository, { version: 4, origin: 'm' }), 'deleted');
      assert.equal(await store.manifest(repository, { tag: 't' }), undefined);
      assert.deepEqual(await stand(repository), ['deleted', 4, 'm']);
      assert.deepEqual(told(await since(start)), ['tag-deleted 4 m m deleted']);
      assert.equal(await bury(repository, { version: 4, origin: 'm' }), 'unchanged');
      assert.deepEqual(await put(repository, 1, { version: 3, origin: 'm' }), { outcome: 'conflict', tag: 't' });
      assert.deepEqual(await put(repository, 2, { version: 4, origin: 'a' }), { outcome: 'conflict', tag: 't' });
      assert.equal(await bury(repository, { version: 8, origin: 'a' }), 'noted');
      assert.deepEqual(await stand(repository), ['deleted', 8, 'a']);
      assert.deepEqual(told(await since(start)).slice(1), ['tag-version 8 a a deleted']);
      assert.equal((await put(repository, 1, { version: 9, origin: 'a' })).outcome, 'stored');
      assert.deepEqual(await stand(repository), [1, 9, 'a']);
    });

    it('remembers the deletion of a tag that it never had', async () => {
      const repository = fresh();
      assert.equal(await bury(repository, { version: 2, origin: 'm' }), 'unknown');
      assert.equal(await store.repositoryExists(repository), false);
      assert.equal(await bury(repository, { version: 2, origin: 'm' }, 1), 'noted');
      assert.equal((await put(repository, 1, { version: 1, origin: 'm' })).outcome, 'conflict');
      assert.equal((await put(repository, 2, { version: 3, origin: 'm' })).outcome, 'stored');
    });

    it('lets a tag stand as it stood when retention expires it', async () => {
      const repository = fresh();
      const expire = async (n: number) => {
        const { revision } = await store.inventories();
        const images = [{ digest: digest(n), tags: ['t'] }];
        const batch = { repository, images, by: by(9), policy: 'p', until: 99, inUseRevision: revision };
        assert.deepEqual(await store.expire(batch), { outcome: 'done', expired: [digest(n)], changed: [] });
      };
      await put(repository, 1, { version: 5, origin: 'm' });
      const start = await store.lastSequence();
      await expire(1);
      assert.deepEqual(await stand(repository), ['expired', 5, 'm']);
      const told = (await since(start)).find(({ kind }) => kind === 'tag-deleted');
      assert.deepEqual([told?.version, told?.tagOrigin, told?.tombstone, told?.origin], [5, 'm', 'expired', undefined]);
      assert.equal((await put(repository, 1, { version: 5, origin: 'm' })).outcome, 'conflict', 'not copied again');
      assert.equal((await put(repository, 2, { version: 6, origin: 'm' })).outcome, 'stored', 'the next one is');
      await expire(2);
      await store.restore({ repository, digests: [digest(2)], by: by(10) });
      assert.deepEqual(await stand(repository), [2, 7, 'own'], 'what somebody takes back is a change of his');
      await expire(2);
      assert.equal(await bury(repository, { version: 7, origin: LOW }), 'unchanged');
      assert.equal(await bury(repository, { version: 8, origin: 'm' }), 'noted');
      assert.deepEqual(await stand(repository), ['deleted', 8, 'm']);
    });

    it('settles on an image, and on the same one, where a version was given out twice', async () => {
      for (const [first, second] of [
        [1, 2],
        [2, 1],
      ] as const) {
        const repository = fresh();
        const same = { version: 5, origin: 'm' };
        await put(repository, first, same);
        await put(repository, second, same);
        assert.deepEqual(await stand(repository), [2, 5, 'm']);
        assert.equal(await bury(repository, same), 'conflict');
        await bury(repository, { version: 6, origin: 'm' });
        assert.equal((await put(repository, first, { version: 6, origin: 'm' })).outcome, 'stored');
      }
    });

    it('ends with the newest of many changes that arrive at once', async () => {
      const order = fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 4 });
      const property = fc.asyncProperty(order, async (versions) => {
        const repository = fresh();
        await put(repository, 1, { version: 1, origin: 'm' }, ['other']);
        const arrive = (version: number) =>
          version % 3 === 0
            ? bury(repository, { version, origin: 'm' }, version)
            : put(repository, version, { version, origin: 'm' });
        await Promise.all(versions.map(arrive));
        const newest = Math.max(...versions);
        assert.deepEqual(await stand(repository), [newest % 3 === 0 ? 'deleted' : newest, newest, 'm']);
        const told = (await feed(store)).filter((row) => row.repository === repository && row.tag === 't');
        const said = told.map(({ version }) => version ?? 0);
        assert.deepEqual(
          said,
          said.toSorted((one, other) => one - other),
          'the history of a name only goes up',
        );
      });
      await fc.assert(property, { numRuns: 15 });
    });

    it('obeys conditions beside versions', async () => {
      const repository = fresh();
      await put(repository, 1);
      const pushed = await store.putManifest(
        manifest({
          repository,
          digest: digest(2),
          tags: ['t'],
          replicated: { version: 9, origin: 'm' },
          conditions: { createOnly: true },
        }),
      );
      assert.equal(pushed.outcome, 'conflict');
    });

    it('goes on counting where a tombstone was trimmed', async () => {
      const repository = fresh();
      await put(repository, 1, { version: 40, origin: 'm' });
      await store.deleteTag(repository, 't', by(1));
      await put(repository, 1, { version: 3, origin: 'm' }, ['young']);
      await store.deleteTag(repository, 'young', by(900));
      const upTo = Number.MAX_SAFE_INTEGER;
      while ((await store.trimHistory({ before: 0, buriedBefore: 500, upTo, limit: 2 })) > 0);
      assert.equal(await stand(repository), undefined);
      assert.deepEqual(await stand(repository, 'young'), ['deleted', 4, 'own']);
      await put(repository, 2);
      assert.deepEqual(await stand(repository), [2, 42, 'own']);
      const other = await open();
      try {
        await other.store.import(store.export());
        await other.store.putManifest(manifest({ repository, digest: digest(2), tags: ['new'], by: by(1) }));
        assert.equal((await other.store.tagRecord(repository, 'new'))?.version, 42);
      } finally {
        await other.close();
      }
    });

    it('takes versions, origins and tombstones along to another store', async () => {
      const repository = fresh();
      await put(repository, 1, { version: 5, origin: 'm' }, ['a', 'b']);
      await store.deleteReplicatedTag({ repository, tag: 'b', replicated: { version: 6, origin: 'n' }, by: by(3) });
      await put(repository, 2, undefined, ['c']);
      const other = await open();
      try {
        await other.store.import(store.export());
        const page = { limit: 9 };
        assert.deepEqual(await other.store.tagRecords(repository, page), await store.tagRecords(repository, page));
      } finally {
        await other.close();
      }
    });

    describe('of what was copied', () => {
      const row = (repository: string, tag: string, parts: Partial<CopyRow> = {}): CopyRow => ({
        repository,
        tag,
        digest: digest(1),
        copiedAt: 5,
        ...parts,
      });
      const page = { limit: 100 };

      it('keeps a row for each tag, target and rule', async () => {
        const rows = [row('a', 'v1', { referrers: 'xyz' }), row('a', 'v2', { missingSince: 9 }), row('b', 'v1')];
        await store.putCopies('keep', 'one', rows);
        await store.putCopies('keep', 'two', [row('a', 'v1')]);
        await store.putCopies('other', 'one', [row('z', 'v9')]);
        assert.deepEqual(await store.copies('keep', 'one', page), rows);
        const changed = row('a', 'v2', { digest: digest(2), copiedAt: 7 });
        await store.putCopies(
          'keep',
          'one',
          [changed],
          [
            { repository: 'b', tag: 'v1' },
            { repository: 'a', tag: 'no' },
          ],
        );
        assert.deepEqual(await store.copies('keep', 'one', page), [rows[0], changed]);
        await store.putCopies('keep', 'one', []);
        assert.deepEqual(await store.copies('keep', 'two', page), [row('a', 'v1')]);
        const asked = [
          { repository: 'a', tag: 'v2' },
          { repository: 'a', tag: 'none' },
        ];
        assert.deepEqual(await store.copiesOf('keep', 'one', asked), [changed]);
        assert.deepEqual(await store.copiesOf('keep', 'one', []), []);
      });

      it('pages through them by repository and tag', async () => {
        const rows = ['a', 'a-b', 'a/b', 'b'].flatMap((where) => ['1', 'A', 'a'].map((tag) => row(where, tag)));
        await store.putCopies('pages', 'one', rows.toReversed());
        const seen: CopyRow[] = [];
        for (let last: CopyRow | undefined; ; ) {
          const next = await store.copies('pages', 'one', { limit: 5, ...(last && { last }) });
          seen.push(...next);
          last = next.at(-1);
          if (next.length < 5) break;
        }
        assert.deepEqual(seen, rows);
      });

      it('forgets those of a rule, or of targets that it has no more, however many', async () => {
        const many = Array.from({ length: 2500 }, (_, n) => row('a', `t${String(n).padStart(5, '0')}`));
        for (const target of ['x', 'y', 'z']) await store.putCopies('drop', target, many);
        await store.putCopies('stay', 'x', [row('a', 'b')]);
        await store.dropCopies('drop', ['y']);
        const left = (target: string) => store.copies('drop', target, { limit: 5000 });
        assert.deepEqual([(await left('x')).length, (await left('y')).length, (await left('z')).length], [0, 2500, 0]);
        await store.dropCopies('drop');
        assert.equal((await left('y')).length, 0);
        assert.equal((await store.copies('stay', 'x', page)).length, 1);
      });
    });
  });

  describe(`two registries on ${name}`, () => {
    it('settle on the same tags, whatever happens in whatever order, and are silent then', async () => {
      const fixtures = [await open(), await open()];
      let count = 0;
      const history = fc.array(step, { minLength: 1, maxLength: 25 });
      const property = fc.asyncProperty(history, fc.infiniteStream(fc.nat()), async (steps, choices) => {
        const repository = `two/r${count++}`;
        const registries = await Promise.all(fixtures.map(({ store }) => Registry.of(store, repository)));
        await live(registries, steps, () => choices.next().value ?? 0);
        const [one, other] = await Promise.all(registries.map(settled));
        assert.deepEqual(one, other);
        const before = await Promise.all(registries.map((registry) => registry.news()));
        assert.deepEqual(await exchange(registries), []);
        const after = await Promise.all(registries.map((registry) => registry.news()));
        assert.deepEqual(after, before, 'that each tells all to the other writes nothing any more');
      });
      try {
        await fc.assert(property, { numRuns: 60 });
      } finally {
        await Promise.all(fixtures.map(({ close }) => close()));
      }
    });
  });
}

/** Page by page, none larger than asked for. */
async function allRecords(store: MetadataStore, repository: string, limit: number): Promise<TagRecord[]> {
  const seen: TagRecord[] = [];
  for (;;) {
    const last = seen.at(-1)?.tag;
    const page = await store.tagRecords(repository, { limit, ...(last !== undefined && { last }) });
    assert.ok(page.length <= limit);
    seen.push(...page);
    if (page.length < limit) return seen;
  }
}
