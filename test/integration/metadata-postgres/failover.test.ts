/** Processes that die at any moment, servers and clients: what was acknowledged is there, what was not is whole or not there at all. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openPostgres } from '../../../src/registry/metadata/postgres/open.ts';
import { type MetadataStore, StoreError } from '../../../src/registry/metadata/store.ts';
import { digest, manifest } from '../../contract/fixtures.ts';
import { feed } from '../../contract/metadata.contract.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../programs/postgres.ts';

function open({ secretDirectory }: TestDatabase, poolSize = 4) {
  return openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve', poolSize });
}

interface Load {
  /** Numbers of pushes that were acknowledged, and when the last one was. */
  readonly acknowledged: Set<number>;
  readonly attempts: { count: number; failed: number };
  last: number;
  stop(): Promise<void>;
}

/** Pushes one tag from eight clients, and reads it, until it is stopped. Every error must be one that says what to do. */
function startLoad(store: MetadataStore): Load {
  const load = { acknowledged: new Set<number>(), attempts: { count: 0, failed: 0 }, last: 0 };
  const wrong: unknown[] = [];
  let running = true;
  const failed = (error: unknown) => {
    load.attempts.failed += 1;
    if (!(error instanceof StoreError) || !['busy', 'io'].includes(error.kind)) wrong.push(error);
  };
  const writer = async () => {
    while (running) {
      const n = load.attempts.count++;
      const put = manifest({ repository: 'load/r', digest: digest(n), tags: ['latest', `t${n}`] });
      await store.putManifest(put).then(() => {
        load.acknowledged.add(n);
        load.last = performance.now();
      }, failed);
    }
  };
  const reader = async () => {
    while (running) await Promise.resolve(store.manifestBytes('load/r', { tag: 'latest' })).catch(failed);
  };
  const all = Promise.all([...Array.from({ length: 8 }, writer), reader(), reader()]);
  return Object.assign(load, {
    stop: async () => {
      running = false;
      await all;
      assert.deepEqual(wrong, []);
    },
  });
}

/** Everything acknowledged is there, each tag at its own digest; what was not acknowledged is whole where it is there. */
async function requireAll(store: MetadataStore, { acknowledged, attempts }: Load): Promise<void> {
  const sets = new Set((await feed(store)).filter(({ kind }) => kind === 'tag-set').map(({ tag }) => tag));
  for (let n = 0; n < attempts.count; n += 1) {
    const row = await store.manifestBytes('load/r', { tag: `t${n}` });
    if (acknowledged.has(n)) assert.ok(row !== undefined, `push ${n} was acknowledged and is lost`);
    assert.equal(row !== undefined, sets.has(`t${n}`), 'the feed tells what is there');
    if (row !== undefined) assert.equal(row.digest, digest(n));
  }
}

/** Lets so many more pushes be acknowledged. */
async function acknowledgeMore(load: Load, count: number): Promise<void> {
  const enough = load.acknowledged.size + count;
  for (const started = performance.now(); load.acknowledged.size < enough; await wait(10))
    assert.ok(
      performance.now() - started < 60_000,
      `only ${load.acknowledged.size} of ${enough} pushes within a minute`,
    );
}

/** Milliseconds from now until a push is acknowledged again. */
async function untilServing(load: Load): Promise<number> {
  const started = performance.now();
  while (load.last < started) {
    if (performance.now() - started > 60_000) assert.fail('not serving again within a minute');
    await wait(10);
  }
  return load.last - started;
}

test('a server that is killed under load and started again loses nothing, and is used again at once', async (context) => {
  const server = await startPostgres();
  const store = await open(await server.database());
  const load = startLoad(store);
  for (let round = 0; round < 3; round += 1) {
    await acknowledgeMore(load, 10);
    await wait(700);
    await server.kill();
    await wait(300);
    await server.start();
    context.diagnostic(`serving ${Math.round(await untilServing(load))} ms after the server was up`);
  }
  await load.stop();
  await requireAll(store, load);
  assert.ok(load.acknowledged.size > 20);
  await store.close();
  await server.remove();
});

test('a standby that is promoted serves within 30 s, with everything that was acknowledged', async (context) => {
  const primary = await startPostgres();
  const database = await primary.database();
  const standby = await primary.standby({ synchronous: true });
  const hosts = `${primary.host}:${primary.port},${standby.host}:${standby.port}`;
  const uri = `postgresql://${database.user}:${database.password}@${hosts}/${database.name}?target_session_attrs=read-write`;
  await writeFile(join(database.secretDirectory, 'uri'), uri);
  const store = await open(database);
  const load = startLoad(store);
  await acknowledgeMore(load, 20);
  await wait(2000);
  const before = load.acknowledged.size;
  const killed = performance.now();
  await primary.kill();
  await wait(2000);
  await standby.query('ALTER SYSTEM RESET synchronous_standby_names');
  await standby.promote();
  const promoted = performance.now();
  const again = await untilServing(load);
  context.diagnostic(
    `serving ${Math.round(again)} ms after the promotion, ${Math.round(promoted - killed + again)} ms after the primary died`,
  );
  assert.ok(again < 30_000);
  await acknowledgeMore(load, 10);
  await load.stop();
  assert.ok(before > 10 && load.acknowledged.size > before, `${before} before, ${load.acknowledged.size} in all`);
  await requireAll(store, load);
  await store.close();
  await standby.remove();
  await primary.remove();
});

test('a commit that a standby did not confirm is no success', async () => {
  const primary = await startPostgres();
  const database = await primary.database();
  const standby = await primary.standby({ synchronous: true });
  const store = await open(database);
  await store.putManifest(manifest({ repository: 'r', digest: digest(1), tags: ['t'] }));
  await standby.kill();
  const put = store.putManifest(manifest({ repository: 'r', digest: digest(2), tags: ['t'] }));
  const refused = assert.rejects(put, { kind: 'io', message: /not safe from a failover.*try again/ });
  await cancelCommit(primary, database);
  await refused;
  await store.close();
  await standby.remove();
  await primary.remove();
});

async function cancelCommit(server: PostgresServer, { user }: TestDatabase): Promise<void> {
  const waiting = `FROM pg_stat_activity WHERE usename = '${user}' AND wait_event = 'SyncRep'`;
  while ((await server.query(`SELECT 1 ${waiting}`)).length === 0) await wait(50);
  await server.query(`SELECT pg_cancel_backend(pid) ${waiting}`);
}

test('clients that are killed while they write leave nothing half, and no lock', async () => {
  const server = await startPostgres();
  const database = await server.database();
  const acknowledged = new Set<number>();
  for (let round = 0; round < 4; round += 1) {
    const program = fileURLToPath(new URL('./client.ts', import.meta.url));
    const child = spawn(process.execPath, [program, database.secretDirectory, `${round * 100_000}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    while (said.length < 50) await wait(10);
    await wait(Math.random() * 200);
    child.kill('SIGKILL');
    await once(child, 'close');
    for (const line of said.slice(0, said.lastIndexOf('\n')).split('\n')) acknowledged.add(Number(line));
  }
  const store = await open(database);
  // Where a dead client held a lock, this would wait for that, and be refused (`lock_timeout`).
  await store.putManifest(manifest({ repository: 'killed/r', digest: digest(7e6), tags: ['latest'] }));
  for (const n of acknowledged)
    assert.equal((await store.manifestBytes('killed/r', { tag: `t${n}` }))?.digest, digest(n), `push ${n} is lost`);
  const [half] = await server.query(
    `SET search_path = ne_registry; SELECT id FROM manifests m WHERE NOT EXISTS (SELECT 1 FROM manifest_bytes b WHERE b.manifest_id = m.id)
       OR NOT EXISTS (SELECT 1 FROM tags t WHERE t.name <> 'latest' AND t.manifest_id = m.id) AND m.digest <> '${digest(7e6)}'`,
    database.name,
  );
  assert.equal(half, undefined);
  await store.close();
  await server.remove();
});
