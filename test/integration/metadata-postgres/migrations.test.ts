/** The schema: made once however many start at once, used by two versions side by side, refused where it is too new. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { MIGRATION_LOCK, SCHEMA_VERSION } from '../../../src/registry/metadata/postgres/migrations.ts';
import { openPostgres } from '../../../src/registry/metadata/postgres/open.ts';
import { initialSchema } from '../../../src/registry/metadata/postgres/schema.ts';
import { digest, manifest } from '../../contract/fixtures.ts';
import { HELD_BEFORE, requireUpgraded } from '../../contract/upgrade.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../programs/postgres.ts';

let server: PostgresServer;
before(async () => {
  server = await startPostgres({ fsync: false });
});
after(() => server.remove());

const open = ({ secretDirectory }: TestDatabase, mode: 'serve' | 'read' = 'serve') =>
  openPostgres({ secretDirectory, tls: 'Disable', mode });

test('five processes that start at once on an empty database all serve, and the schema is made once', async () => {
  const database = await server.database();
  const program = fileURLToPath(new URL('./migrator.ts', import.meta.url));
  const start = async () => {
    const child = spawn(process.execPath, [program, database.secretDirectory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [code] = (await once(child, 'close')) as [number];
    return code;
  };
  // All are kept at the starting line, so that they do race.
  const line = new pg.Client({ connectionString: database.uri });
  await line.connect();
  await line.query(`SELECT pg_advisory_lock(${MIGRATION_LOCK})`);
  const racing = Promise.all(Array.from({ length: 5 }, start));
  const waiting = `SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`;
  for (let n = 0, tries = 0; n < 5; tries += 1) {
    assert.ok(tries < 600, `only ${n} of five processes wait for each other`);
    await wait(100);
    n = (await line.query<{ n: number }>(waiting)).rows[0]?.n ?? 0;
  }
  await line.end();
  assert.deepEqual(await racing, [0, 0, 0, 0, 0]);
  const versions = await server.query('SELECT version FROM ne_registry.schema_version ORDER BY version', database.name);
  assert.deepEqual(
    versions,
    Array.from({ length: SCHEMA_VERSION }, (_, at) => ({ version: at + 1 })),
  );
  const functions = await server.query(
    `SELECT proname FROM pg_proc WHERE pronamespace = 'ne_registry'::regnamespace AND proname LIKE 'put_manifest_%'`,
    database.name,
  );
  assert.equal(functions.length, 1);
});

test('a database from before there were rules, versions and retention is brought up to date with everything in it', async () => {
  const database = await server.database();
  const old = new pg.Client({ connectionString: database.uri });
  await old.connect();
  await old.query(`CREATE SCHEMA ne_registry; SET search_path = ne_registry;
    CREATE TABLE schema_version (version integer PRIMARY KEY, minimum integer NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
    INSERT INTO schema_version VALUES (1, 1); ${initialSchema} ${HELD_BEFORE}`);
  await old.end();
  const store = await open(database);
  await requireUpgraded(store);
  await store.close();
});

test('a database that a newer program extended still serves this one; one that it changed is refused, untouched', async () => {
  const database = await server.database();
  const store = await open(database);
  await server.query(
    `ALTER TABLE ne_registry.tags ADD COLUMN later text; INSERT INTO ne_registry.schema_version (version, minimum) VALUES (${SCHEMA_VERSION + 1}, 1)`,
    database.name,
  );
  await store.putManifest(manifest({ repository: 'r', digest: digest(1), tags: ['t'] }));
  await (await open(database)).close();
  await store.close();
  const [next, later] = [SCHEMA_VERSION + 1, SCHEMA_VERSION + 2];
  await server.query(
    `INSERT INTO ne_registry.schema_version (version, minimum) VALUES (${later}, ${next})`,
    database.name,
  );
  const said = `schema version ${later}.*knows up to ${SCHEMA_VERSION} .*newer ne-registry: run that version.*Nothing was changed`;
  for (const mode of ['serve', 'read'] as const)
    await assert.rejects(open(database, mode), {
      kind: 'corrupt',
      message: new RegExp(said),
    });
});

test('a database without a registry is not made one by who only reads', async () => {
  const database = await server.database();
  await assert.rejects(open(database, 'read'), { kind: 'io', message: /holds no registry.*is it the right one/ });
  const schemas = await server.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'ne_registry'`, database.name);
  assert.deepEqual(schemas, []);
});

test('a user who may not make the schema is told so, and works in one that was made for him', async () => {
  const database = await server.database();
  await server.query(`ALTER DATABASE ${database.name} OWNER TO postgres`);
  await assert.rejects(open(database), {
    kind: 'io',
    message: /lacks a right; it must own the database, or the schema ne_registry/,
  });
  await server.query(`CREATE SCHEMA ne_registry AUTHORIZATION ${database.user}`, database.name);
  const store = await open(database);
  await store.putManifest(manifest({ repository: 'r', digest: digest(1), tags: ['t'] }));
  await store.close();
});
