/** What every MetadataStore promises about rules, and about who the registry is. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ExportedRow } from '../../src/registry/metadata/recovery.ts';
import type { RuleRow } from '../../src/registry/metadata/rules.ts';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import type { MetadataFixture, OpenMetadata } from './metadata.contract.ts';

type Put = Omit<RuleRow, 'state'>;

function rule(parts: Partial<Put> = {}): Put {
  const document = '{"spec":{}}';
  const given = { kind: 'replication', name: 'mirror', uid: 'u1', generation: 1, document } as const;
  return { ...given, changedAt: 1000, changedBy: 'operator', ...parts };
}

async function exported(store: MetadataStore): Promise<ExportedRow[]> {
  const rows: ExportedRow[] = [];
  for await (const row of store.export()) rows.push(row);
  return rows;
}

async function* given(rows: readonly ExportedRow[]): AsyncGenerator<ExportedRow> {
  yield* rows;
}

export function metadataRuleContract(name: string, open: OpenMetadata): void {
  describe(`${name} as keeper of rules`, () => {
    let fixture: MetadataFixture;
    let store: MetadataStore;
    before(async () => {
      fixture = await open();
      store = fixture.store;
    });
    after(() => fixture.close());

    it('gives a rule back as it was put, by kind and name', async () => {
      const put = rule({ name: 'given', uid: 'a-b', generation: 7, changedAt: 9, changedBy: 'ann' });
      assert.equal(await store.putRule(put), 'stored');
      assert.deepEqual(await store.rule('replication', 'given'), put);
      assert.equal(await store.rule('retention', 'given'), undefined);
      assert.equal(await store.rule('replication', 'give'), undefined);
    });

    it('lists the rules of a kind by name', async () => {
      for (const name of ['b', 'a.b', 'a-b', 'B']) await store.putRule(rule({ kind: 'retention', name }));
      await store.putRule(rule({ name: 'other' }));
      assert.deepEqual(
        (await store.rules('retention')).map((row) => row.name),
        ['B', 'a-b', 'a.b', 'b'],
      );
    });

    it('takes a newer generation, and the same one again with nothing or something new in it', async () => {
      const name = 'generations';
      const put = (parts: Partial<Put>) => store.putRule(rule({ name, ...parts }));
      assert.equal(await put({ generation: 2 }), 'stored');
      assert.equal(await put({ generation: 2, changedAt: 2000, changedBy: 'other' }), 'unchanged');
      assert.equal((await store.rule('replication', name))?.changedAt, 1000);
      assert.equal(await put({ generation: 2, document: '{"renewed":"credentials"}' }), 'stored');
      assert.equal(await put({ generation: 1, document: '{"old":1}' }), 'older');
      assert.equal((await store.rule('replication', name))?.document, '{"renewed":"credentials"}');
      assert.equal(await put({ generation: 3, changedAt: 3000 }), 'stored');
      const now = await store.rule('replication', name);
      assert.deepEqual([now?.generation, now?.changedAt], [3, 3000]);
    });

    it('keeps the state of a rule over generations, and loses it with the rule', async () => {
      const name = 'stateful';
      const put = (parts: Partial<Put>) => store.putRule(rule({ name, generation: 5, ...parts }));
      const putState = (uid: string, state: string) => store.putRuleState({ kind: 'replication', name, uid, state });
      const state = async () => (await store.rule('replication', name))?.state;
      assert.equal(await putState('u1', '{}'), false, 'there is no such rule');
      await put({});
      assert.equal(await putState('u1', '{"n":1}'), true);
      await put({ generation: 6 });
      assert.equal(await state(), '{"n":1}');
      assert.equal(await put({ uid: 'u2', generation: 1 }), 'stored', 'another resource begins at 1 again');
      assert.equal(await state(), undefined);
      assert.equal(await putState('u1', '{"n":2}'), false, 'what the worker knew of the one before');
      assert.equal(await putState('u2', '{"n":3}'), true);
      assert.equal(await state(), '{"n":3}');
      assert.equal(await store.deleteRule('replication', name), true);
      assert.equal(await store.deleteRule('replication', name), false);
      await put({ uid: 'u2' });
      assert.equal(await state(), undefined);
    });

    it('tells in the feed of each rule that came, changed or went', async () => {
      const name = 'told';
      const start = await store.lastSequence();
      await store.putRule(rule({ name }));
      await store.putRule(rule({ name, changedAt: 1001 }));
      await store.putRule(rule({ name, generation: 2, changedAt: 1002, changedBy: 'ann' }));
      await store.putRule(rule({ name, generation: 1, changedAt: 1003 }));
      await store.putRuleState({ kind: 'replication', name, uid: 'u1', state: '{}' });
      await store.deleteRule('replication', name, { name: 'bob', now: 1005 });
      await store.deleteRule('replication', name, { name: 'bob', now: 1006 });
      await store.putRule(rule({ name, changedAt: 1007 }));
      const soon = Date.now();
      await store.deleteRule('replication', name);
      const rows = await store.changes(start, 100);
      const told = rows.map(({ kind, at, actor, repository, rule }) => [kind, rule, actor, repository, at]);
      const [deleted] = told.splice(4, 1);
      assert.deepEqual(told, [
        ['rule-put', 'replication/told', 'operator', '', 1000],
        ['rule-put', 'replication/told', 'ann', '', 1002],
        ['rule-deleted', 'replication/told', 'bob', '', 1005],
        ['rule-put', 'replication/told', 'operator', '', 1007],
      ]);
      assert.ok(deleted !== undefined && Math.abs(Number(deleted.at(-1)) - soon) < 60_000, String(deleted));
    });

    it('lets the largest generation win, in whatever order they come', async () => {
      const name = 'raced';
      await Promise.all([4, 2, 9, 1, 7, 3].map((generation) => store.putRule(rule({ name, generation }))));
      assert.equal((await store.rule('replication', name))?.generation, 9);
    });

    it('says who the registry is: another for each database, and the same each time', async () => {
      const other = await open();
      try {
        const [one, two] = [await store.identity(), await other.store.identity()];
        assert.match(one, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        assert.equal(await store.identity(), one);
        assert.notEqual(two, one);
      } finally {
        await other.close();
      }
    });

    it('takes rules and who the registry is along to another store, and leaves what is made anew', async () => {
      const put = rule({ name: 'moved', uid: 'u9' });
      await store.putRule(put);
      await store.putRuleState({ kind: 'replication', name: 'moved', uid: 'u9', state: '{}' });
      const other = await open();
      try {
        await other.store.import(given(await exported(store)));
        assert.equal(await other.store.identity(), await store.identity());
        assert.deepEqual(await other.store.rule('replication', 'moved'), put);
      } finally {
        await other.close();
      }
    });

    it('takes rows of a version that knew neither uid nor identity', async () => {
      const other = await open();
      try {
        const before = await other.store.identity();
        const { uid: _, ...old } = rule();
        await other.store.import(
          given([
            { row: 'head', sequence: 1, takenAt: 1 },
            { row: 'rule', ...old },
          ]),
        );
        assert.equal(await other.store.identity(), before);
        assert.deepEqual(await other.store.rule('replication', old.name), { ...old, uid: '' });
        assert.equal(await other.store.putRule(rule()), 'stored', 'whoever puts it again says whose it is');
      } finally {
        await other.close();
      }
    });
  });
}
