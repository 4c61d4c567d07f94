/** A volume that is full: nothing half, clear errors, deletes still work, and pushes again once there is room. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '../../src/domain/errors.ts';
import { openSqlite } from '../../src/registry/metadata/sqlite/open.ts';
import type { MetadataStore } from '../../src/registry/metadata/store.ts';
import { FilesystemStore } from '../../src/registry/storage/filesystem.ts';
import { by, chunks, digest, digestOfBytes, manifest, temporaryFolder, upload } from './fixtures.ts';

const MIB = 1024 * 1024;

async function volume(mebibytes: number) {
  assert.equal(process.getuid?.(), 0, 'this test mounts a small tmpfs, so it has to be started as root');
  const folder = await temporaryFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'none', folder.path]);
  const filler = join(folder.path, 'filler');
  return {
    path: folder.path,
    fill: () => fill(filler),
    free: () => rmSync(filler),
    remove: async () => {
      execFileSync('umount', [folder.path]);
      await folder.remove();
    },
  };
}

/** Takes all the space there is. */
function fill(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (let size = MIB; size >= 512; )
      try {
        writeSync(file, Buffer.alloc(size, 1));
      } catch {
        size /= 2;
      }
  } finally {
    closeSync(file);
  }
}

describe('a full disk under the blobs', () => {
  let disk: Awaited<ReturnType<typeof volume>>;
  before(async () => {
    disk = await volume(16);
  });
  after(() => disk.remove());

  const isNoSpace = (error: unknown) => {
    assert.ok(error instanceof Refusal, String(error));
    assert.deepEqual([error.code, error.status], ['TOOMANYREQUESTS', 429]);
    assert.match(error.headers['Retry-After'] ?? '', /^\d+$/);
    return true;
  };

  it('refuses an upload, which goes on where it stopped once there is room', async () => {
    const blobs = await FilesystemStore.open({ directory: disk.path, reserveBytes: 0 });
    disk.fill();
    disk.free();
    const first = await upload(blobs, randomBytes(8 * MIB));
    const data = randomBytes(12 * MIB);
    const id = randomUUID();
    await blobs.begin(id);
    await assert.rejects(blobs.append(id, chunks(data), { offset: 0 }), isNoSpace);
    const size = (await blobs.progress(id)) ?? -1;
    assert.ok(size > 6 * MIB && size < 9 * MIB, `${size}`);
    await blobs.remove(first);
    await blobs.append(id, chunks(data.subarray(size)), { offset: size });
    const { key } = await blobs.finish(id, digestOfBytes(data));
    await blobs.remove(key);
    await blobs.close();
  });

  it('refuses uploads that would eat the reserve', async () => {
    const blobs = await FilesystemStore.open({ directory: disk.path, reserveBytes: 10 * MIB });
    const id = randomUUID();
    await blobs.begin(id);
    await assert.rejects(blobs.append(id, chunks(randomBytes(12 * MIB)), { offset: 0 }), isNoSpace);
    assert.ok((await blobs.freeBytes()) >= 10 * MIB);
    await sleep(300);
    const more = await FilesystemStore.open({ directory: disk.path, reserveBytes: 15.9 * MIB });
    await assert.rejects(more.begin(randomUUID()), isNoSpace);
    await blobs.cancel(id);
    await more.close();
    await blobs.close();
  });

  it('at start is named', async () => {
    disk.fill();
    await assert.rejects(FilesystemStore.open({ directory: disk.path, reserveBytes: 0 }), {
      kind: 'full',
      message: /ENOSPC.*free some space/,
    });
    disk.free();
  });
});

describe('a full disk under the metadata', () => {
  let disk: Awaited<ReturnType<typeof volume>>;
  let store: MetadataStore;
  before(async () => {
    disk = await volume(48);
    const onDeath = (error: Error) => {
      throw error;
    };
    store = await openSqlite({ directory: disk.path, mode: 'serve', onDeath });
  });
  after(async () => {
    await store.close();
    await disk.remove();
  });
  const put = (n: number) =>
    store.putManifest(manifest({ repository: 'r', digest: digest(n), bytes: randomBytes(100_000), tags: [`t${n}`] }));

  it('refuses what would grow, keeps what it has, and still deletes everything', async () => {
    const kept: number[] = [];
    for (let n = 0; n < 40; n++) kept.push(await put(n).then(() => n));
    assert.ok(existsSync(join(disk.path, 'reserve')));
    disk.fill();
    const stored = await refused(kept);
    assert.deepEqual((await store.tags('r', { limit: 1000 })).length, stored.length);
    for (const n of stored) assert.ok(await store.manifestBytes('r', { tag: `t${n}` }), `t${n} is gone`);
    for (const n of stored) assert.equal(await store.deleteManifest('r', digest(n), by(1)), true);
    assert.equal((await store.statistics()).manifests, 0);
    assert.ok(!existsSync(join(disk.path, 'reserve')), 'the reserve should have been needed');
  });

  it('takes writes again once there is room, without a restart', async () => {
    disk.free();
    assert.equal((await put(5000)).outcome, 'stored');
    assert.equal((await store.manifest('r', { tag: 't5000' }))?.digest, digest(5000));
  });

  /** Pushes until the disk has refused twenty times; returns everything that was acknowledged. */
  async function refused(kept: number[]): Promise<number[]> {
    const stored = [...kept];
    const kinds = new Set<string>();
    let failures = 0;
    for (let n = 100; failures < 20; n++)
      try {
        await put(n);
        stored.push(n);
      } catch (error) {
        failures++;
        kinds.add((error as { kind: string }).kind);
      }
    assert.deepEqual([...kinds], ['full']);
    return stored;
  }
});
