/** What a crash leaves in a folder of records goes with the next write. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FolderRecords } from '../../../src/registry/storage/filesystem/records.ts';

test('temporary files of an hour ago are removed, newer ones and files of others stay', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'records-'));
  try {
    const epoch = join(folder, '000001');
    const ago = new Date(Date.now() - 2 * 3_600_000);
    await mkdir(epoch);
    for (const name of ['.0123456789abcdef.tmp', '.fedcba9876543210.tmp', '.mine.tmp', 'kept.tmp'])
      await writeFile(join(epoch, name), 'x');
    for (const name of ['.0123456789abcdef.tmp', '.mine.tmp', 'kept.tmp']) await utimes(join(epoch, name), ago, ago);
    const records = new FolderRecords(folder);
    for await (const _ of records.list('')) assert.equal((await readdir(epoch)).length, 4);
    await records.put('000001/a', Buffer.from('a'));
    assert.deepEqual((await readdir(epoch)).sort(), ['.fedcba9876543210.tmp', '.mine.tmp', 'a', 'kept.tmp']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
