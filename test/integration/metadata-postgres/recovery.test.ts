/** What one store exports, the other takes in and exports again, row for row. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPostgres } from '../../../src/registry/metadata/postgres/open.ts';
import type { ExportedRow } from '../../../src/registry/metadata/recovery.ts';
import { openSqlite } from '../../../src/registry/metadata/sqlite/open.ts';
import type { MetadataStore } from '../../../src/registry/metadata/store.ts';
import { addBlob, by, digest, layer, manifest, temporaryFolder } from '../../contract/fixtures.ts';
import { type PostgresServer, startPostgres } from '../../programs/postgres.ts';

let server: PostgresServer;
before(async () => {
  server = await startPostgres({ fsync: false });
});
after(() => server.remove());

async function postgres(): Promise<MetadataStore> {
  const { secretDirectory } = await server.database();
  return openPostgres({ secretDirectory, tls: 'Disable', mode: 'offline' });
}

async function sqlite(): Promise<{ store: MetadataStore; remove(): Promise<void> }> {
  const folder = await temporaryFolder();
  const onDeath = (error: Error) => {
    throw error;
  };
  const store = await openSqlite({ directory: folder.path, mode: 'offline', onDeath, reserveBytes: 0 });
  return { store, remove: () => store.close().then(folder.remove) };
}

/** Something of every kind, odd bytes and names included, over several pages and transactions. */
async function fill(store: MetadataStore): Promise<void> {
  for (let n = 0; n < 600; n += 1) {
    const repository = `r${n % 7}/${n % 2 === 0 ? 'B' : 'a'}`;
    const edges = [];
    if (n % 3 === 0) {
      await addBlob(store, repository, digest(0xb000 + n), n);
      edges.push(layer(digest(0xb000 + n)), { kind: 'child', digest: digest(1e6 + n), required: false } as const);
    }
    const annotations = { odd: `"\\ \u0000 ü ${n}` };
    const subject = n % 5 === 0 ? { subject: digest(n + 1), artifactType: 'text/odd', annotations } : {};
    const bytes = Buffer.from([0, 255, n % 256, 10]);
    const put = {
      repository,
      digest: digest(n),
      bytes,
      edges,
      tags: [`t${n}`, `u${n}`, 'latest'],
      by: by(n, n % 4 === 0 ? 'rule' : undefined),
    };
    await store.putManifest(manifest({ ...put, ...subject }));
    if (n % 11 === 0) await store.deleteTag(repository, `t${n}`, by(n));
  }
  await addBlob(store, 'blobs/only', digest(0xc1), 5);
  const key = await addBlob(store, 'blobs/only', digest(0xc2), 5);
  await store.quarantineBlob(digest(0xc2), key, 'wrong hash', 6);
  await store.notePulls([{ repository: 'r0/B', digest: digest(0), hour: 9 }]);
}

async function all(store: MetadataStore): Promise<ExportedRow[]> {
  const rows: ExportedRow[] = [];
  for await (const row of store.export())
    rows.push(
      row.row === 'manifest'
        ? { ...row, bytes: Buffer.from(row.bytes) }
        : row.row === 'head'
          ? { ...row, takenAt: 0 }
          : row,
    );
  return rows;
}

async function* given(rows: readonly ExportedRow[]): AsyncGenerator<ExportedRow> {
  yield* rows;
}

test('an export of either store is taken in by the other one, and comes out the same', async () => {
  const from = await sqlite();
  await fill(from.store);
  const exported = await all(from.store);
  const there = await postgres();
  await there.import(given(exported));
  assert.deepEqual(await all(there), exported);
  const { reclaimableBytes, ...counts } = await there.statistics();
  const { reclaimableBytes: expected, ...before } = await from.store.statistics();
  assert.deepEqual([counts, reclaimableBytes], [{ ...before }, expected]);
  assert.deepEqual(await there.repositories({ limit: 99 }), await from.store.repositories({ limit: 99 }));
  assert.equal(await there.accountsSince(), 0);

  const back = await sqlite();
  await back.store.import(given(await all(there)));
  assert.deepEqual(await all(back.store), exported);

  const sequence = await there.lastSequence();
  await there.putManifest(manifest({ repository: 'r0/B', digest: digest(1e7), tags: ['latest'] }));
  assert.deepEqual(
    (await there.changes(sequence, 9)).map((row) => row.sequence - sequence),
    [1, 2],
  );
  await Promise.all([from.remove(), back.remove(), there.close()]);
});

test('rows are only put into an empty store, and a tag without its manifest is refused', async () => {
  const store = await postgres();
  const orphan = [
    { row: 'head', sequence: 1, takenAt: 1 },
    { row: 'tag', repository: 'r', name: 't', digest: digest(1), version: 1, actor: 'x', changedAt: 1 },
  ] as const;
  await assert.rejects(store.import(given(orphan)), { kind: 'corrupt', message: /r:t came before its manifest/ });
  await addBlob(store, 'r', digest(1));
  await assert.rejects(store.import(given([])), { kind: 'io', message: /holds repositories already/ });
  await store.close();
});

test('a reader that gives an export up leaves the connection to others', async () => {
  const { secretDirectory } = await server.database();
  const store = await openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve', poolSize: 1 });
  await addBlob(store, 'r', digest(1));
  for await (const row of store.export()) if (row.row === 'repository') break;
  const other = await openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve', poolSize: 1 });
  await addBlob(other, 'after', digest(2));
  assert.equal(await store.repositoryExists('after'), true);
  await Promise.all([store.close(), other.close()]);
});

test('snapshots that are kept are listed, renamed by nothing, and dropped', async () => {
  const store = await postgres();
  const row = { name: 'b', sequence: 3, takenAt: 7, size: 5 };
  await store.addSnapshot({ ...row, size: 0 });
  await store.addSnapshot({ ...row, name: 'a', takenAt: 6 });
  await store.addSnapshot(row);
  assert.deepEqual(await store.snapshots(), [{ ...row, name: 'a', takenAt: 6 }, row]);
  await store.dropSnapshot('a');
  assert.deepEqual(await store.snapshots(), [row]);
  await store.close();
});
