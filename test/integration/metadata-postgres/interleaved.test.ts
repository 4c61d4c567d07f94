/** Races played slowly: one transaction is held open while another replica does what it must not be allowed to do yet. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { named } from '../../../src/registry/metadata/postgres/names.ts';
import { openPostgres } from '../../../src/registry/metadata/postgres/open.ts';
import type { Expiry } from '../../../src/registry/metadata/retaining.ts';
import type { MetadataStore } from '../../../src/registry/metadata/store.ts';
import { addBlob, by, digest, layer, manifest } from '../../contract/fixtures.ts';
import { type PostgresServer, startPostgres } from '../../programs/postgres.ts';

let server: PostgresServer;
let store: MetadataStore;
let held: pg.Client;
before(async () => {
  server = await startPostgres({ fsync: false });
  const { secretDirectory, uri } = await server.database();
  store = await openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve', removalDelay: 0 });
  held = new pg.Client({ connectionString: uri, options: '-c search_path=ne_registry' });
  await held.connect();
});
after(async () => {
  await held.end();
  await store.close();
  await server.remove();
});

/** Does something in a transaction that stays open until it is committed by the test. */
async function begin(sql: string, values: unknown[]): Promise<void> {
  await held.query('BEGIN');
  await held.query(named(sql), values);
}

const PUT = `SELECT fn.put_manifest($1, $2, 'm', 'x', NULL, NULL, NULL, $3, $4, $5, $6, false, NULL, false, 'held', 1, NULL,
  NULL, NULL, NULL, NULL, NULL)`;
const DELETE = `SELECT fn.delete_manifest($1, $2, 'held', 1, NULL)`;

/** Whether a promise waits for the open transaction: the server says so, or it comes to its end, however long that takes. */
async function isWaiting(work: Promise<unknown>): Promise<boolean> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  work.then(end, end);
  const [own] = (await held.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows;
  for (let tries = 0; tries < 600; tries += 1) {
    if (ended) return false;
    if (
      (await server.query(`SELECT 1 FROM pg_stat_activity WHERE ${own?.pid} = ANY (pg_blocking_pids(pid))`)).length > 0
    )
      return true;
    await wait(50);
  }
  throw new Error('it neither waits for a lock nor comes to an end');
}

test('a blob is not dropped while a push that needs it is under way', async () => {
  const target = digest(0xa1);
  await addBlob(store, 'drop/a', target, 1);
  await store.condemnBlobs({ before: 2, now: 2, limit: 9 });
  await begin(PUT, ['drop/a', digest(1), ['layer'], [target], [true], []]);
  const dropping = store.dropCondemned({ condemnedBefore: 3, before: 3, now: 3, limit: 9 });
  assert.equal(await isWaiting(dropping), false, 'reclaim waits for nobody');
  await held.query('COMMIT');
  assert.deepEqual(await dropping, []);
  assert.ok(await store.blob('drop/a', target));
});

test('a push waits for a drop that is under way, and is told what is missing', async () => {
  const target = digest(0xa2);
  await addBlob(store, 'drop/b', target, 1);
  await store.condemnBlobs({ before: 2, now: 2, limit: 9 });
  await begin('SELECT fn.drop_condemned(3, 3, 3, 9, 0)', []);
  const pushing = store.putManifest(manifest({ repository: 'drop/b', digest: digest(1), edges: [layer(target)] }));
  assert.ok(await isWaiting(pushing));
  await held.query('COMMIT');
  assert.deepEqual(await pushing, { outcome: 'missing', digests: [target] });
});

test('a blob that loses its last two references at once is up for review', async () => {
  const target = digest(0xa3);
  for (const repository of ['last/a', 'last/b']) {
    await addBlob(store, repository, target, 1);
    await store.putManifest(manifest({ repository, digest: digest(1), edges: [layer(target)] }));
  }
  const before = (await store.statistics()).reclaimableBytes;
  await begin(DELETE, ['last/a', digest(1)]);
  const deleting = store.deleteManifest('last/b', digest(1), by(2));
  assert.ok(await isWaiting(deleting));
  await held.query('COMMIT');
  assert.equal(await deleting, true);
  assert.equal((await store.statistics()).reclaimableBytes - before, 10);
});

test('a blob whose first push races with the deletion of a manifest that names it already is up for review', async () => {
  const target = digest(0xa4);
  const dangling = manifest({ repository: 'first/a', digest: digest(1), edges: [layer(target, false)] });
  await store.putManifest(dangling);
  const before = (await store.statistics()).reclaimableBytes;
  await begin(DELETE, ['first/a', digest(1)]);
  const adding = addBlob(store, 'first/b', target, 1);
  assert.ok(await isWaiting(adding));
  await held.query('COMMIT');
  await adding;
  assert.equal((await store.statistics()).reclaimableBytes - before, 10);
});

test('a change that commits late gets a late number, and those before it do not wait', async () => {
  const start = await store.lastSequence();
  await begin(PUT, ['late/a', digest(1), [], [], [], ['early']]);
  await store.putManifest(manifest({ repository: 'late/b', digest: digest(2), tags: ['x'] }));
  const seen = await store.changes(start, 9);
  assert.deepEqual(
    seen.map(({ sequence, repository, kind }) => [sequence - start, repository, kind]),
    [
      [1, 'late/b', 'manifest-put'],
      [2, 'late/b', 'tag-set'],
    ],
  );
  await held.query('COMMIT');
  const later = await store.changes(start + 2, 9);
  assert.deepEqual(
    later.map(({ sequence, repository, kind }) => [sequence - start, repository, kind]),
    [
      [3, 'late/a', 'manifest-put'],
      [4, 'late/a', 'tag-set'],
    ],
  );
});

test('pushes to other repositories, of images with the same base, wait for nobody', async () => {
  const base = digest(0xa5);
  for (const repository of ['base/a', 'base/b', 'base/c']) await addBlob(store, repository, base, 1);
  await store.putManifest(manifest({ repository: 'base/c', digest: digest(1), edges: [layer(base)] }));
  await begin(PUT, ['base/a', digest(1), ['layer'], [base], [true], ['t']]);
  const others = Promise.all([
    store.putManifest(manifest({ repository: 'base/b', digest: digest(1), edges: [layer(base)], tags: ['t'] })),
    store.mountBlob({ repository: 'base/d', from: 'base/c', digest: base, now: 2 }),
    store.manifestBytes('base/a', { tag: 't' }),
    store.statistics(),
  ]);
  assert.equal(await isWaiting(others), false);
  await held.query('COMMIT');
  assert.equal((await others)[2], undefined);
});

async function batchOf(repository: string): Promise<Expiry> {
  const images = await store.imagesOf(repository, [digest(1)]);
  const { revision: inUseRevision } = await store.inventories();
  return { repository, images, by: by(5), policy: 'p', until: 9, inUseRevision };
}

test('nothing expires by a plan that did not know of a report, however close the two are', async () => {
  await store.putManifest(manifest({ repository: 'use/a', digest: digest(1) }));
  const batch = await batchOf('use/a');
  await begin(`SELECT fn.put_inventory('c', 1, 1, '{}', ARRAY['first'])`, []);
  const expiring = store.expire(batch);
  assert.ok(await isWaiting(expiring));
  await held.query('COMMIT');
  assert.deepEqual(await expiring, { outcome: 'in-use-changed' });
  const { inUseRevision } = await batchOf('use/a');
  const values = ['use/a', [digest(1)], [''], [-1], [], [], 'p', 9, inUseRevision, 'held', 5, null];
  await begin('SELECT fn.expire($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)', values);
  const report = { cluster: 'c', reportedAt: 2, receivedAt: 2, document: '{}', names: ['second'] };
  const reporting = store.putInventory(report);
  assert.ok(await isWaiting(reporting), 'it has to find in the trash what it names');
  await held.query('COMMIT');
  assert.deepEqual(await reporting, { revision: inUseRevision + 1 });
  assert.equal((await store.inTrash({ digests: [digest(1)] })).length, 1);
});

test('a pull that is being noted keeps its image', async () => {
  await store.putManifest(manifest({ repository: 'pull/a', digest: digest(1) }));
  const batch = await batchOf('pull/a');
  await begin('SELECT fn.note_pulls($1, $2, $3)', [['pull/a'], [digest(1)], [7]]);
  const expiring = store.expire(batch);
  assert.ok(await isWaiting(expiring));
  await held.query('COMMIT');
  assert.deepEqual(await expiring, { outcome: 'done', expired: [], changed: [digest(1)] });
});

test('an export shows one moment, however much is written meanwhile', async () => {
  await store.putManifest(manifest({ repository: 'export/a', digest: digest(1), tags: ['t'] }));
  const rows: string[] = [];
  for await (const row of store.export()) {
    if (row.row === 'head') {
      assert.equal(row.sequence, await store.lastSequence());
      await store.deleteManifest('export/a', digest(1), by(2));
      await store.putManifest(manifest({ repository: 'export/b', digest: digest(2), tags: ['t'] }));
    }
    if (row.row === 'tag') rows.push(row.repository);
  }
  assert.ok(rows.includes('export/a') && !rows.includes('export/b'));
});

test('what may be removed is found behind thousands of removals that a snapshot holds', async () => {
  await held.query(`INSERT INTO removals SELECT 'held' || n, 1, 0, 1000000, n FROM generate_series(1, 12000) AS n;
    INSERT INTO snapshots VALUES ('s', 1, 500, 1); INSERT INTO removals VALUES ('free', 7, 2000000, 2000000, 20000)`);
  assert.deepEqual(await store.dueRemovals(30_000, 5), [{ key: 'free', size: 7 }]);
  await store.dropSnapshot('s');
  const due = await store.dueRemovals(30_000, 100_000);
  assert.equal(new Set(due.map(({ key }) => key)).size, due.length);
  assert.ok(due.length >= 12_001);
  assert.equal((await store.dueRemovals(30_000, 3)).length, 3);
});
