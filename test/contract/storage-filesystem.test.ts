import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { FilesystemStore } from '../../src/registry/storage/filesystem.ts';
import { temporaryFolder, upload } from './fixtures.ts';
import { type StorageFixture, storageContract } from './storage.contract.ts';

async function open(): Promise<StorageFixture> {
  const folder = await temporaryFolder();
  const options = { directory: folder.path, reserveBytes: 0 };
  let blobs = await FilesystemStore.open(options);
  return {
    blobs,
    reopen: async () => {
      await blobs.close();
      blobs = await FilesystemStore.open(options);
      return blobs;
    },
    truncate: (key, size) => truncate(join(folder.path, 'blobs', key), size),
    close: () => blobs.close().then(folder.remove),
  };
}

storageContract('The file system', open);

test('files that are not ours are neither listed nor touched', async () => {
  const folder = await temporaryFolder();
  const blobs = await FilesystemStore.open({ directory: folder.path, reserveBytes: 0 });
  const key = await upload(blobs, Buffer.from('ours'));
  await mkdir(join(folder.path, 'blobs/lost+found'), { recursive: true });
  for (const name of ['blobs/README', 'blobs/sha256/notes', 'blobs/lost+found/x', `blobs/${key}.bak`, 'uploads/core'])
    await writeFile(join(folder.path, name), 'theirs');
  assert.deepEqual(
    (await Array.fromAsync(blobs.list())).map((entry) => entry.key),
    [key],
  );
  assert.deepEqual(await Array.fromAsync(blobs.uploads()), []);
  await blobs.close();
  await folder.remove();
});

test('a directory that cannot be written is named, with the user and the remedy', async () => {
  const folder = await temporaryFolder();
  const store = new URL('../../src/registry/storage/filesystem.ts', import.meta.url).href;
  const script = `const { FilesystemStore } = await import(${JSON.stringify(store)});
    process.setgid(65534); process.setuid(65534);
    await FilesystemStore.open({ directory: ${JSON.stringify(folder.path)}, reserveBytes: 0 }).catch((e) => console.log(e.name, e.message))`;
  assert.equal(process.getuid?.(), 0, 'this test changes the user, so it has to be started as root');
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.match(
    stdout,
    /^StoreError the data directory .* cannot be written by user 65534, group 65534: EACCES.*chown, or fsGroup/,
  );
  assert.ok(stdout.includes(folder.path));
  await folder.remove();
});
