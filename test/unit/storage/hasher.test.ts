/** Large uploads are hashed by a thread that follows the file. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Hasher } from '../../../src/registry/storage/filesystem/hasher.ts';
import { FilesystemStore } from '../../../src/registry/storage/filesystem.ts';
import { temporaryFolder } from '../../contract/fixtures.ts';

const mebibyte = 1024 * 1024;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const hasher = new Hasher();
before(async () => {
  folder = await temporaryFolder();
});
after(async () => {
  await hasher.close();
  await folder.remove();
});

const hex = (bytes: Uint8Array, algorithm = 'sha256') => createHash(algorithm).update(bytes).digest('hex');

test('files that grow at the same time, each with its algorithm', async () => {
  const grow = async (name: string, algorithm: 'sha256' | 'sha512') => {
    const path = join(folder.path, name);
    await writeFile(path, '');
    const hash = hasher.follow(path, algorithm);
    let all = Buffer.alloc(0);
    for (let part = 0; part < 7; part++) {
      const bytes = randomBytes(700_001);
      await appendFile(path, bytes);
      all = Buffer.concat([all, bytes]);
      hash.grown(all.length);
    }
    assert.equal(await hash.digest(all.length), hex(all, algorithm));
    assert.equal(await hash.digest(all.length), hex(all, algorithm), 'asked again it says the same');
    hash.close();
  };
  await Promise.all([grow('a', 'sha256'), grow('b', 'sha512'), grow('c', 'sha256')]);
});

test('a file that is gone, or shorter than it should be, has no digest', async () => {
  assert.equal(await hasher.follow(join(folder.path, 'none'), 'sha256').digest(10), undefined);
  const path = join(folder.path, 'short');
  await writeFile(path, 'abc');
  assert.equal(await hasher.follow(path, 'sha256').digest(10), undefined);
});

test('without the thread nobody waits, and the next file gets another one', async () => {
  const path = join(folder.path, 'd');
  await writeFile(path, 'abc');
  const other = new Hasher();
  const hash = other.follow(path, 'sha256');
  await other.close();
  assert.equal(await hash.digest(3), undefined);
  const next = other.follow(path, 'sha256');
  assert.equal(await next.digest(3), hex(Buffer.from('abc')));
  await other.close();
});

for (const company of [false, true])
  test(`an upload past two megabytes, ${company ? 'with another one at work' : 'alone'}, is stored under the hash of its bytes, and no other`, async () => {
    const blobs = await FilesystemStore.open({ directory: folder.path, reserveBytes: 0 });
    const enough = Promise.withResolvers<void>();
    const other = '00000000-0000-4000-8000-000000000000';
    await blobs.begin(other);
    const endless = (async function* () {
      yield Buffer.from('x');
      await enough.promise;
    })();
    const busy = company ? blobs.append(other, endless, { offset: 0 }) : undefined;
    const content = randomBytes(5 * mebibyte + 3);
    const digest = `sha256:${hex(content)}` as const;
    for (const [id, step, right] of [
      ['00000000-0000-4000-8000-000000000001', 64 * 1024, true],
      ['00000000-0000-4000-8000-000000000002', 1_500_000, true],
      ['00000000-0000-4000-8000-000000000003', 99_999, false],
    ] as const) {
      await blobs.begin(id);
      const sent = right ? content : Buffer.from(content);
      if (!right) sent[4 * mebibyte] = (sent[4 * mebibyte] ?? 0) ^ 1;
      for (let at = 0; at < sent.length; at += step) {
        const chunk = sent.subarray(at, at + step);
        const body = (async function* () {
          yield chunk;
        })();
        await blobs.append(id, body, { offset: at });
      }
      if (right) assert.equal((await blobs.finish(id, digest as never)).size, content.length);
      else await assert.rejects(blobs.finish(id, digest as never), /do not have the digest/);
    }
    enough.resolve();
    await busy;
    await blobs.cancel(other);
    await blobs.close();
  });
