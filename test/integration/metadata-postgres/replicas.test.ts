/** Several replicas on one database: one history, exactly one winner, nothing lost, no lock that waits for another in a circle. */
import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { openPostgres } from '../../../src/registry/metadata/postgres/open.ts';
import type { MetadataStore } from '../../../src/registry/metadata/store.ts';
import { addBlob, by, digest, layer, manifest } from '../../contract/fixtures.ts';
import { feed } from '../../contract/metadata.contract.ts';
import { expireNow } from '../../contract/metadata-retention.contract.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../programs/postgres.ts';
import { type Call, type Condition, type Event, isLinearizable } from './linearizable.ts';

let server: PostgresServer;
before(async () => {
  server = await startPostgres({ fsync: false, settings: ['deadlock_timeout=200ms'] });
});
after(() => server.remove());

async function replicas(
  count: number,
): Promise<{ stores: MetadataStore[]; database: TestDatabase; close(): Promise<void> }> {
  const database = await server.database();
  const open = () =>
    openPostgres({
      secretDirectory: database.secretDirectory,
      tls: 'Disable',
      mode: 'serve',
      poolSize: 4,
      removalDelay: 0,
    });
  const stores = await Promise.all(Array.from({ length: count }, open));
  const close = async () => {
    await Promise.all(stores.map((store) => store.close()));
    const [row] = await server.query<{ deadlocks: string }>(
      `SELECT deadlocks FROM pg_stat_database WHERE datname = '${database.name}'`,
    );
    assert.equal(Number(row?.deadlocks), 0, 'locks were taken in different orders');
  };
  return { stores, database, close };
}

function pick<T>(values: readonly T[]): T {
  return values[randomInt(values.length)] as T;
}

test('the checker knows a history that cannot be', () => {
  const write = (value: string, from: number, to: number, only: Condition = 'always'): Event => ({
    call: { do: 'write', value, only, result: 'stored' },
    from,
    to,
  });
  const read = (saw: string | undefined, from: number, to: number): Event => ({ call: { do: 'read', saw }, from, to });
  assert.ok(isLinearizable([write('a', 0, 5), write('b', 1, 6), read('a', 7, 8)]));
  assert.ok(!isLinearizable([write('a', 0, 1), read(undefined, 2, 3)]), 'a stale read');
  assert.ok(!isLinearizable([write('a', 0, 5), write('b', 1, 6), read('a', 7, 8), read('b', 9, 10)]), 'back and forth');
  assert.ok(!isLinearizable([write('a', 0, 5, 'absent'), write('b', 1, 6, 'absent')]), 'two winners');
});

async function randomCall(store: MetadataStore, repository: string, now: number): Promise<Call> {
  const values = [1, 2, 3].map(digest);
  const kind = pick(['read', 'read', 'write', 'write', 'write', 'delete']);
  if (kind === 'read') {
    const read = pick([
      () => store.manifest(repository, { tag: 't' }),
      () => store.manifestBytes(repository, { tag: 't' }),
    ]);
    return { do: 'read', saw: (await read())?.digest };
  }
  if (kind === 'delete') return { do: 'delete', found: await store.deleteTag(repository, 't', by(now)) };
  const value = pick(values);
  const only = pick<Condition>(['always', 'always', 'absent', 'create', { is: pick(values) }]);
  const conditions = {
    ...(only === 'absent' && { ifNoneMatch: true }),
    ...(only === 'create' && { createOnly: true }),
    ...(typeof only === 'object' && { ifMatch: only.is as Digest }),
  };
  const put = await store.putManifest(manifest({ repository, digest: value, tags: ['t'], conditions, by: by(now) }));
  assert.notEqual(put.outcome, 'missing');
  return { do: 'write', value, only, result: put.outcome === 'conflict' ? { current: put.current } : 'stored' };
}

test('tags that three replicas push, delete and read have a linearizable history', async () => {
  const { stores, close } = await replicas(3);
  for (let round = 0; round < 40; round += 1) {
    const repository = `linear/r${round}`;
    const history: Event[] = [];
    const client = async (store: MetadataStore) => {
      for (let n = 0; n < 8; n += 1) {
        const from = performance.now();
        const call = await randomCall(store, repository, n);
        history.push({ call, from, to: performance.now() });
      }
    };
    await Promise.all([...stores, ...stores].map(client));
    assert.ok(
      isLinearizable(history),
      `not linearizable:\n${history.map((event) => JSON.stringify(event)).join('\n')}`,
    );
  }
  await close();
});

test('of pushes at once that only one may win, one wins, whichever replicas they come through', async () => {
  const { stores, close } = await replicas(3);
  for (let round = 0; round < 20; round += 1) {
    const repository = `one/r${round}`;
    const conditions = round % 2 === 0 ? { createOnly: true } : { ifNoneMatch: true };
    const pushes = Array.from({ length: 9 }, (_, n) =>
      (stores[n % 3] as MetadataStore).putManifest(
        manifest({ repository, digest: digest(n), tags: ['v1'], conditions }),
      ),
    );
    const results = await Promise.all(pushes);
    const winner = results.findIndex(({ outcome }) => outcome === 'stored');
    for (const [n, result] of results.entries())
      if (n !== winner) assert.deepEqual(result, { outcome: 'conflict', tag: 'v1', current: digest(winner) });
  }
  await close();
});

test('a feed that is read while three replicas write has no gap, misses nothing, and keeps the order of each tag', async () => {
  const { stores, close } = await replicas(3);
  const [first, second] = stores as [MetadataStore, MetadataStore, MetadataStore];
  const seen: { sequence: number; tag: string; digest: string }[] = [];
  let writing = true;
  const follow = async (store: MetadataStore, rows: typeof seen) => {
    for (let last = 0, ended = false; !ended; ) {
      ended = !writing;
      const page = await store.changes(last, 7);
      for (const { sequence, tag = '', digest: target = '' } of page) rows.push({ sequence, tag, digest: target });
      last = page.at(-1)?.sequence ?? last;
      if (page.length > 0) ended = false;
    }
  };
  const others: typeof seen = [];
  const followers = [follow(first, seen), follow(second, others)];
  const write = async (store: MetadataStore, at: number) => {
    for (let n = 0; n < 60; n += 1) {
      const repository = `feed/r${n % 3}`;
      await store.putManifest(manifest({ repository, digest: digest(at * 1000 + n), tags: ['shared', `own-${at}`] }));
    }
  };
  await Promise.all(stores.map(write));
  writing = false;
  await Promise.all(followers);
  assert.deepEqual(
    seen.map(({ sequence }) => sequence),
    seen.map((_, at) => at + 1),
  );
  assert.equal(seen.length, 3 * 60 * 3);
  assert.deepEqual(others, seen);
  for (const repository of ['feed/r0', 'feed/r1', 'feed/r2']) {
    const rows = (await feed(first)).filter((row) => row.repository === repository && row.tag === 'shared');
    assert.equal((await second.manifest(repository, { tag: 'shared' }))?.digest, rows.at(-1)?.digest);
  }
  await close();
});

test('counts are exact after three replicas wrote at once, folded or not', async () => {
  const { stores, database, close } = await replicas(3);
  const work = async (store: MetadataStore) => {
    for (let n = 0; n < 220; n += 1) {
      const repository = `counts/r${randomInt(4)}`;
      const target = digest(0xb0 + randomInt(6));
      await addBlob(store, repository, target, n);
      const put = manifest({
        repository,
        digest: digest(randomInt(20)),
        tags: [`t${randomInt(5)}`],
        edges: [layer(target, false)],
      });
      await store.putManifest(put);
      if (n % 3 === 0) await store.deleteManifest(repository, digest(randomInt(20)), by(n));
      if (n % 5 === 0) await store.deleteTag(repository, `t${randomInt(5)}`, by(n));
    }
  };
  await Promise.all(stores.map(work));
  const [counted] = await server.query<Record<string, string>>(
    `SELECT (SELECT count(*) FROM ne_registry.repositories WHERE listed) AS repositories, (SELECT count(*) FROM ne_registry.manifests) AS manifests,
      (SELECT count(*) FROM ne_registry.tags) AS tags, (SELECT count(*) FROM ne_registry.blobs) AS blobs,
      (SELECT sum(size) FROM ne_registry.blobs) AS "blobBytes", (SELECT coalesce(sum(size), 0) FROM ne_registry.review_queue) AS "reclaimableBytes"`,
    database.name,
  );
  const numbers = Object.fromEntries(Object.entries(counted ?? {}).map(([name, text]) => [name, Number(text)]));
  assert.deepEqual({ ...(await stores[0]?.statistics()) }, numbers);
  const [left] = await server.query<{ n: string }>(
    'SELECT count(*) AS n FROM ne_registry.statistics_deltas',
    database.name,
  );
  assert.ok(Number(left?.n) < 4500, `${left?.n} counts were never folded`);
  await close();
});

test('no blob that a manifest needs is ever dropped, and none is forgotten, while replicas push, delete, expire, restore and reclaim', async () => {
  const { stores, database, close } = await replicas(3);
  const blobs = Array.from({ length: 16 }, (_, n) => digest(0xf0 + n));
  let now = 1;
  const repository = () => `reclaim/r${randomInt(2)}`;
  const image = () => digest(randomInt(12));
  const push = async (store: MetadataStore) => {
    const where = repository();
    const edges = blobs.filter(() => randomInt(12) === 0).map((target) => layer(target));
    const put = await store.putManifest(
      manifest({ repository: where, digest: image(), edges, tags: pick([[], ['t']]), by: by(now) }),
    );
    if (put.outcome === 'missing') for (const absent of put.digests) await addBlob(store, where, absent, now);
  };
  const steps: ((store: MetadataStore) => Promise<unknown>)[] = [
    push,
    push,
    push,
    (store) => store.deleteManifest(repository(), image(), by(now)),
    (store) => store.mountBlob({ repository: repository(), from: repository(), digest: pick(blobs), now }),
    (store) => store.deleteBlob(repository(), pick(blobs), now),
    (store) => store.condemnBlobs({ before: now, now, limit: 9 }),
    (store) => store.dropCondemned({ condemnedBefore: now, before: now, now, limit: 9 }),
    (store) => expireNow(store, repository(), [image(), image(), image()], { at: now, until: now + randomInt(2000) }),
    (store) => store.restore({ repository: repository(), digests: [image(), image()], by: by(now) }),
    (store) => store.emptyTrash(now, 9),
    (store) => store.notePulls([1, 2, 3].map(() => ({ repository: repository(), digest: image(), hour: now }))),
  ];
  const client = async (store: MetadataStore) => {
    for (let n = 0; n < 200; n += 1) {
      now += 1;
      await pick(steps)(store);
    }
  };
  await Promise.all([...stores, ...stores].map(client));
  const wrong = await server.query(
    `SET search_path = ne_registry;
     CREATE VIEW needs AS SELECT target, r.name AS repository FROM edges e JOIN repositories r ON r.id = e.repository_id UNION ALL SELECT target, repository FROM trash_edges;
     SELECT 'lost' AS what, e.target FROM needs e WHERE NOT EXISTS (SELECT 1 FROM blobs b JOIN repository_blobs v ON v.blob_id = b.id
         WHERE b.digest = e.target AND v.repository = e.repository)
     UNION ALL SELECT 'forgotten', b.digest FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM needs e WHERE e.target = b.digest)
       AND NOT EXISTS (SELECT 1 FROM review_queue q WHERE q.blob_id = b.id)
     UNION ALL SELECT 'queued though needed', b.digest FROM blobs b JOIN review_queue q ON q.blob_id = b.id WHERE EXISTS (SELECT 1 FROM needs e WHERE e.target = b.digest)
     UNION ALL SELECT 'in both places', t.digest FROM trash t JOIN repositories r ON r.name = t.repository JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest
     UNION ALL SELECT 'miscounted', 'tags' WHERE (SELECT count(*) FROM tags) <> (SELECT tags FROM statistics) + (SELECT coalesce(sum(tags), 0) FROM statistics_deltas)
     UNION ALL SELECT 'miscounted', 'manifests' WHERE (SELECT count(*) FROM manifests) <> (SELECT manifests FROM statistics) + (SELECT coalesce(sum(manifests), 0) FROM statistics_deltas)
     UNION ALL SELECT 'miscounted', 'bytes' WHERE (SELECT coalesce(sum(size), 0) FROM review_queue)
       <> (SELECT reclaimable_bytes FROM statistics) + (SELECT coalesce(sum(reclaimable_bytes), 0) FROM statistics_deltas)`,
    database.name,
  );
  assert.deepEqual(wrong, []);
  await close();
});

test('each job is held by one replica at a time', async () => {
  const { stores, close } = await replicas(3);
  for (let n = 0; n < 30; n += 1)
    await stores[0]?.enqueueJob({ kind: 'k', key: `${n}`, payload: '{}', runAt: n, now: 0 });
  const taken: string[] = [];
  const work = async (store: MetadataStore) => {
    const worker = randomUUID();
    for (;;) {
      const job = await store.claimJob({ kinds: ['k'], worker, now: 100, leaseUntil: 200 });
      if (job === undefined) return;
      taken.push(job.key);
      if (randomInt(2) === 0) assert.equal(await store.finishJob({ id: job.id, worker }), true);
    }
  };
  await Promise.all([...stores, ...stores].map(work));
  assert.equal(new Set(taken).size, 30);
  assert.equal(taken.length, 30);
  await close();
});
