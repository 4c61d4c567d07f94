/** What the embedded store does when something is wrong with its file, its disk, its directory or its thread. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { databasePath, openSqlite } from '../../src/registry/metadata/sqlite/open.ts';
import { ThreadWriter } from '../../src/registry/metadata/sqlite/thread-writer.ts';
import type { StoreError } from '../../src/registry/metadata/store.ts';
import { by, digest, manifest, temporaryFolder } from './fixtures.ts';

const onDeath = (error: Error) => {
  throw error;
};

function open(directory: string, mode: 'serve' | 'offline' | 'read' = 'offline') {
  return openSqlite({ directory, mode, onDeath, reserveBytes: 0 });
}

async function filled(manifests: number): Promise<{ path: string; remove(): Promise<void> }> {
  const folder = await temporaryFolder();
  const store = await open(folder.path);
  for (let n = 0; n < manifests; n++)
    await store.putManifest(
      manifest({ repository: 'r', digest: digest(n), bytes: Buffer.alloc(3000, 'x'), tags: [`t${n}`] }),
    );
  await store.close();
  return folder;
}

/** Overwrites the file with nonsense from a page on. */
function damage(directory: string, fromPage: number, pages: number): void {
  const file = openSync(databasePath(directory), 'r+');
  writeSync(file, Buffer.alloc(4096 * pages, 0xa5), 0, 4096 * pages, 4096 * fromPage);
}

test('a database that is no database is refused, and left as it is', async () => {
  const folder = await temporaryFolder();
  writeFileSync(databasePath(folder.path), 'dear diary, '.repeat(1000));
  const before = readFileSync(databasePath(folder.path));
  await assert.rejects(open(folder.path), {
    kind: 'corrupt',
    message: /metadata\.db is damaged.*admin check.*restore/,
  });
  assert.ok(readFileSync(databasePath(folder.path)).equals(before));
  await folder.remove();
});

test('a database cut short within its header is refused', async () => {
  const folder = await filled(1);
  writeFileSync(databasePath(folder.path), readFileSync(databasePath(folder.path)).subarray(0, 10));
  await assert.rejects(open(folder.path), { kind: 'corrupt' });
  await folder.remove();
});

test('damage in the pages is found at open', async () => {
  const folder = await filled(30);
  damage(folder.path, 20, 10);
  await assert.rejects(open(folder.path), { kind: 'corrupt', message: /restore the newest backup/ });
  await folder.remove();
});

test('damage that a read meets is named, and other reads go on', async () => {
  const folder = await filled(100);
  const pages = readFileSync(databasePath(folder.path)).length / 4096;
  damage(folder.path, pages - 20, 10);
  const store = await open(folder.path, 'read');
  const faults = new Set<string>();
  let served = 0;
  for (let n = 0; n < 100; n++)
    try {
      if (store.manifestBytes('r', { digest: digest(n) })?.bytes.every((byte) => byte === 0x78)) served++;
    } catch (error) {
      faults.add((error as StoreError).kind);
    }
  assert.deepEqual([...faults], ['corrupt']);
  assert.ok(served > 20 && served < 100);
  await store.close();
  await folder.remove();
});

test('a database of a newer program is refused with both versions, and left as it is', async () => {
  const folder = await filled(1);
  const db = new DatabaseSync(databasePath(folder.path));
  db.exec('PRAGMA user_version = 999');
  db.close();
  for (const mode of ['offline', 'read'] as const)
    await assert.rejects(open(folder.path, mode), {
      message: /schema version 999.*knows up to \d+.*newer ne-registry/,
    });
  const again = new DatabaseSync(databasePath(folder.path));
  assert.equal(again.prepare('PRAGMA user_version').get()?.user_version, 999);
  again.close();
  await folder.remove();
});

test("another program's database is refused", async () => {
  const folder = await temporaryFolder();
  const db = new DatabaseSync(databasePath(folder.path));
  db.exec('CREATE TABLE theirs (x)');
  db.close();
  await assert.rejects(open(folder.path), { message: /another program/ });
  await folder.remove();
});

test('a second writer is refused and told who is there; a reader is not', async () => {
  const folder = await temporaryFolder();
  const store = await open(folder.path, 'serve');
  await store.putManifest(manifest({ repository: 'r', digest: digest(1), tags: ['t'] }));
  for (const mode of ['serve', 'offline'] as const)
    await assert.rejects(open(folder.path, mode), {
      kind: 'busy',
      message: new RegExp(`in use by process ${process.pid}`),
    });
  const reader = await open(folder.path, 'read');
  assert.equal(reader.manifest('r', { tag: 't' })?.digest, digest(1));
  await store.deleteTag('r', 't', by(5));
  assert.equal(reader.manifest('r', { tag: 't' }), undefined);
  await assert.rejects(reader.deleteTag('r', 't', by(5)), { kind: 'closed' });
  await reader.close();
  await store.close();
  await (await open(folder.path)).close();
  await folder.remove();
});

test('the lock of a process that was killed is free', async () => {
  const folder = await temporaryFolder();
  const module = new URL('../../src/registry/metadata/sqlite/open.ts', import.meta.url).href;
  const script = `const { openSqlite } = await import(${JSON.stringify(module)});
    await openSqlite({ directory: ${JSON.stringify(folder.path)}, mode: 'offline', onDeath() {} });
    console.log('open'); setInterval(() => {}, 1000)`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await assert.rejects(open(folder.path), { kind: 'busy', message: new RegExp(`process ${child.pid} `) });
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await open(folder.path)).close();
  await folder.remove();
});

test('writes that were accepted before close are done, later ones are refused', async () => {
  const folder = await temporaryFolder();
  const store = await open(folder.path, 'serve');
  const put = (n: number) => store.putManifest(manifest({ repository: 'r', digest: digest(n), tags: [`t${n}`] }));
  const early = Promise.all([1, 2, 3].map(put));
  const closing = store.close();
  await assert.rejects(put(4), { kind: 'closed' });
  assert.throws(() => store.tags('r', { limit: 9 }), { kind: 'closed' });
  assert.equal((await early).length, 3);
  await closing;
  const again = await open(folder.path);
  assert.deepEqual(again.tags('r', { limit: 9 }), ['t1', 't2', 't3']);
  await again.close();
  await folder.remove();
});

test('a thread that dies rejects what waits and says so once', async () => {
  const folder = await temporaryFolder();
  const module = new URL('../../src/registry/metadata/sqlite/open.ts', import.meta.url).href;
  // A bound on the thread's heap that the last write runs into.
  const script = `const { openSqlite } = await import(${JSON.stringify(module)});
    const store = await openSqlite({ directory: ${JSON.stringify(folder.path)}, mode: 'serve', onDeath(e) { console.log('death', e.kind); process.exitCode = 7; } });
    const edges = Array.from({ length: 1e6 }, (_, n) => ({ kind: 'layer', digest: 'sha256:' + n + 'x'.repeat(60), required: false }));
    const by = { name: 'x', now: 1 };
    await store.putManifest({ repository: 'r', digest: 'd', mediaType: 'm', bytes: Buffer.from('x'), edges, tags: [], by })
      .then((r) => console.log('resolved', r.outcome), (e) => console.log('rejected', e.kind));
    await store.deleteTag('r', 't', by).catch((e) => console.log('later', e.kind));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = (await once(child, 'close')) as [number];
  assert.deepEqual(said.trim().split('\n').sort(), ['death io', 'later closed', 'rejected io']);
  assert.equal(code, 7);
  await folder.remove();
});

test('where the thread cannot be made, what waits is rejected and it is said once', async () => {
  const deaths: Error[] = [];
  // What cannot be handed to a thread keeps one from being made, as a limit of processes does.
  const reserve = { path: (() => '') as unknown as string, bytes: 0 };
  const writer = new ThreadWriter({ path: 'none', reserve, onDeath: (error) => deaths.push(error) });
  const write = () => writer.execute('deleteUpload', { id: 'x' } as never);
  await Promise.all([1, 2].map(() => assert.rejects(write(), { kind: 'io' })));
  await assert.rejects(write(), { kind: 'closed' });
  await writer.close();
  assert.equal(deaths.length, 1);
});

test('the reserve is taken while there is room', async () => {
  const folder = await temporaryFolder();
  const store = await openSqlite({ directory: folder.path, mode: 'serve', onDeath, reserveBytes: 1_000_000 });
  await store.deleteTag('r', 't', by(1));
  assert.equal(readFileSync(join(folder.path, 'reserve')).length, 1_000_000);
  await store.close();
  await folder.remove();
});
