/** What an upload's running hash says is what decides whether it is stored. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { FilesystemStore } from '../../../src/registry/storage/filesystem.ts';
import { temporaryFolder } from '../../contract/fixtures.ts';

const mebibyte = 1024 * 1024;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
before(async () => {
  folder = await temporaryFolder();
});
after(() => folder.remove());

const hex = (bytes: Uint8Array, algorithm = 'sha256') => createHash(algorithm).update(bytes).digest('hex');

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
