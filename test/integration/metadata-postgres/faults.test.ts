/** Whatever is wrong with the server, its disk, its address or our credentials: an error that says what to do, and no restart afterwards. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { type OpenPostgresOptions, openPostgres } from '../../../src/registry/metadata/postgres/open.ts';
import { openSession, QueryFailure } from '../../../src/registry/metadata/postgres/session.ts';
import type { MetadataStore } from '../../../src/registry/metadata/store.ts';
import { by, digest, manifest } from '../../contract/fixtures.ts';
import { type PostgresServer, startPostgres, type TestDatabase } from '../../programs/postgres.ts';
import { writeCertificate } from '../auth/certificate.ts';

let server: PostgresServer;
before(async () => {
  server = await startPostgres({ fsync: false, settings: ['max_connections=20'] });
});
after(() => server.remove());

function open({ secretDirectory }: TestDatabase, options: Partial<OpenPostgresOptions> = {}) {
  return openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve', patience: 0, ...options });
}

const put = (store: MetadataStore, n: number, bytes = Buffer.from('{}')) =>
  store.putManifest(manifest({ repository: 'r', digest: digest(n), bytes, tags: ['t'] }));

async function eventually(work: () => Promise<unknown>, milliseconds = 60_000): Promise<number> {
  const started = performance.now();
  for (;;)
    try {
      await work();
      return performance.now() - started;
    } catch (error) {
      if (performance.now() - started > milliseconds) throw error;
      await wait(50);
    }
}

/** Ends the connections of a database's owner; they are gone when it settles, not only told to go. */
async function endConnections({ user }: TestDatabase): Promise<void> {
  await server.query(`SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = '${user}'`);
}

test('a wrong password is named, and one that was rotated is picked up', async () => {
  const database = await server.database();
  const store = await open(database);
  await put(store, 1);
  await server.query(`ALTER ROLE ${database.user} PASSWORD 'another-${database.password}'`);
  await endConnections(database);
  await assert.rejects(open(database), { kind: 'io', message: /refuses the user or its password; compare the Secret/ });
  const refused = { kind: 'io', message: /refuses the user or its password/ };
  await assert.rejects(
    eventually(() => put(store, 2), 1000),
    refused,
  );
  for (const key of ['uri', 'password']) {
    const file = join(database.secretDirectory, key);
    await writeFile(file, readFileSync(file, 'utf8').replace(database.password, `another-${database.password}`));
  }
  await eventually(() => put(store, 2));
  assert.equal((await store.manifest('r', { tag: 't' }))?.digest, digest(2));
  await store.close();
});

test('a database, a secret or a server that is not there is named', async () => {
  const database = await server.database();
  const folder = await mkdtemp(join(tmpdir(), 'ne-registry-secret-'));
  const secret = async (uri: string) => {
    await writeFile(join(folder, 'uri'), uri);
    return { ...database, secretDirectory: folder };
  };
  await assert.rejects(open({ ...database, secretDirectory: join(folder, 'none') }), {
    kind: 'io',
    message: /holds neither `uri` nor `host`; is it mounted/,
  });
  await assert.rejects(open(await secret(database.uri.replace(/[^/]*$/, 'nobody_made_me'))), {
    kind: 'io',
    message: /database does not exist; create it/,
  });
  await assert.rejects(open(await secret('postgresql://u:p@127.0.0.1:1/db')), {
    kind: 'busy',
    message: /PostgreSQL at 127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/,
  });
  await assert.rejects(open(await secret('mysql://x')), { kind: 'io', message: /`uri` that is none/ });
  await assert.rejects(
    open(await secret('postgresql://u:hush%zz@h/db')),
    (error: Error) => !error.message.includes('hush'),
  );
  await rm(folder, { recursive: true });
});

test('TLS is demanded and verified, and what is wrong with it is named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ne-registry-tls-'));
  writeCertificate(folder, 'postgres');
  const [certificate, key] = ['tls.crt', 'tls.key'].map((name) => readFileSync(join(folder, name), 'utf8'));
  const secure = await startPostgres({ fsync: false, tls: { certificate: certificate ?? '', key: key ?? '' } });
  const database = await secure.database();
  const caFile = join(folder, 'tls.crt');
  await (await open(database, { tls: 'VerifyFull', caFile })).close();
  await (await open(database, { tls: undefined, caFile })).close();
  await (await open(database, { tls: 'Require' })).close();
  await assert.rejects(open(database, { tls: 'VerifyFull' }), {
    kind: 'io',
    message: /TLS to PostgreSQL at .* failed: .*caFile/,
  });
  await assert.rejects(open(database, { tls: 'VerifyFull', caFile: join(folder, 'none') }), {
    message: /caFile.*ENOENT/,
  });
  const uri = database.uri.replace('127.0.0.1', 'localhost');
  await writeFile(join(database.secretDirectory, 'uri'), uri);
  await assert.rejects(open(database, { tls: 'VerifyFull', caFile }), { message: /certificate name this host/ });
  await writeFile(join(database.secretDirectory, 'uri'), `${uri}?sslmode=require`);
  await (await open(database, { tls: undefined })).close();
  await assert.rejects(open(await server.database(), { tls: 'VerifyFull' }), { kind: 'io', message: /offers no TLS/ });
  await secure.remove();
  await rm(folder, { recursive: true });
});

test('too many connections are told apart from a dead server, and waited for', async () => {
  const database = await server.database();
  const store = await open(database, { poolSize: 2 });
  await endConnections(database);
  const others: pg.Client[] = [];
  const takeOne = async () => {
    const client = new pg.Client({ connectionString: database.uri });
    client.on('error', () => undefined);
    await client.connect();
    others.push(client);
  };
  // All that there are: connections that were closed before hold their place until their backends are gone.
  const setting = (name: string) => `current_setting('${name}')::int`;
  const [most] = await server.query<{ count: number }>(
    `SELECT ${setting('max_connections')} - ${setting('superuser_reserved_connections')} AS count`,
  );
  while (others.length < Number(most?.count)) await eventually(takeOne);
  await assert.rejects(put(store, 1), {
    kind: 'busy',
    message: /no connection left; raise max_connections, or lower metadata\.postgres\.poolSize/,
  });
  const waiting = put(store, 1);
  await Promise.all(others.map((client) => client.end()));
  assert.equal((await waiting).outcome, 'stored');
  await store.close();
});

test('a server that only reads is named, still answers reads, and is written to when it can be', async () => {
  const database = await server.database();
  const store = await open(database);
  await put(store, 1);
  await server.query('ALTER SYSTEM SET default_transaction_read_only = on');
  await server.query('ALTER SYSTEM RESET default_transaction_read_only');
  await server.query('SELECT pg_reload_conf()');
  await eventually(() => put(store, 2));
  await store.close();
});

test('connections that an administrator ended are made anew, unnoticed by readers', async () => {
  const database = await server.database();
  const store = await open(database);
  await put(store, 1);
  for (let n = 0; n < 5; n += 1) {
    await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${database.user}'`);
    const reads = Array.from({ length: 20 }, () => store.manifestBytes('r', { tag: 't' }));
    for (const row of await Promise.all(reads)) assert.equal(row?.digest, digest(1));
  }
  await store.close();
  await assert.rejects(store.manifest('r', { tag: 't' }), { kind: 'closed' });
});

test('what fails after a warning may be committed without a standby, and is not sent again', async () => {
  const { secretDirectory } = await server.database();
  const place = { secretDirectory, tls: 'Disable', readOnly: false } as const;
  const fails = async (before: string) => {
    const session = await openSession(place, () => undefined);
    const failing = `DO $$ BEGIN ${before} RAISE EXCEPTION 'ended' USING ERRCODE = '57P01'; END $$`;
    const error = await session.query(failing).catch((reason: unknown) => reason);
    assert.ok(error instanceof QueryFailure);
    return { again: error.failure.again, lost: error.failure.lost, message: error.message };
  };
  const { again, lost } = await fails("RAISE NOTICE 'by the way';");
  assert.deepEqual([again, lost], [true, true]);
  const warned = await fails("RAISE WARNING 'canceling the wait for synchronous replication';");
  assert.deepEqual([warned.again, warned.lost], [false, true]);
  assert.match(warned.message, /gave up waiting for its standby/);
});

test('a full disk of the server refuses pushes, still deletes, and needs no restart', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'ne-registry-small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    context.skip('needs the right to mount a small file system');
    return;
  }
  try {
    const place = join(folder, 'space');
    mkdirSync(place);
    execFileSync('chown', ['-R', 'postgres', folder]);
    chmodSync(folder, 0o755);
    await server.query(`CREATE TABLESPACE small LOCATION '${place}'`);
    const database = await server.database();
    await server.query(`ALTER DATABASE ${database.name} SET TABLESPACE small`);
    const store = await open(database);
    let stored = 0;
    const fill = async () => {
      for (let n = 0; n < 60; n += 1) {
        await put(store, n, randomBytes(400_000));
        stored += 1;
      }
    };
    await assert.rejects(fill(), { kind: 'full', message: /disk of PostgreSQL is full; give its volume more space/ });
    assert.ok(stored > 3);
    assert.equal((await store.manifest('r', { tag: 't' }))?.digest, digest(stored - 1), 'nothing was half done');
    assert.equal(await store.deleteManifest('r', digest(0), by(1)), true);
    execFileSync('mount', ['-o', 'remount,size=64m', folder], { stdio: 'ignore' });
    assert.equal((await put(store, 100, randomBytes(400_000))).outcome, 'stored');
    await store.close();
    await server.query(`DROP DATABASE ${database.name}`);
    await server.query('DROP TABLESPACE small');
  } finally {
    execFileSync('umount', ['-l', folder], { stdio: 'ignore' });
    await rm(folder, { recursive: true, force: true });
  }
});
