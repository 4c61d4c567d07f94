import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { LeftBehind, SharedBlob } from '../../../src/registry/replication/fan-out/shared-blob.ts';

const never = new AbortController().signal;

function blobOf(bytes: Buffer, options: { readers: number; window: number; patience?: number; failAt?: number }) {
  const opened = { times: 0, most: 0 };
  const blob = new SharedBlob({
    patience: 1000,
    ...options,
    async *open() {
      opened.times += 1;
      for (let at = 0; at < bytes.length; at += 100) {
        if (options.failAt !== undefined && at >= options.failAt) throw new Error('cut');
        opened.most = Math.max(opened.most, blob.held);
        yield bytes.subarray(at, at + 100);
      }
    },
  });
  return { blob, opened };
}

async function take(blob: SharedBlob, pauses: readonly number[] = []): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of blob.read(0, never)) {
    chunks.push(chunk);
    const pause = pauses[chunks.length % Math.max(1, pauses.length)] ?? 0;
    if (pause > 0) await sleep(pause);
  }
  return Buffer.concat(chunks);
}

test('every reader gets every byte, the source is read once, and no more than the window is held', async () => {
  const pauses = fc.array(fc.constantFrom(0, 0, 0, 1), { maxLength: 7 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(pauses, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 0, max: 3000 }),
      async (readers, size) => {
        const bytes = randomBytes(size);
        const { blob, opened } = blobOf(bytes, { readers: readers.length, window: 500 });
        const all = await Promise.all(readers.map((each) => take(blob, each)));
        for (const one of all) assert.ok(one.equals(bytes));
        assert.equal(opened.times, 1);
        assert.ok(opened.most <= 700, `${opened.most}`);
      },
    ),
    { numRuns: 60 },
  );
});

test('the first waits a little for the others, and goes on without those that do not come', async () => {
  const bytes = randomBytes(5000);
  const late = blobOf(bytes, { readers: 2, window: 500 });
  const first = take(late.blob);
  await sleep(100);
  assert.ok(late.blob.open);
  assert.ok((await take(late.blob)).equals(bytes));
  assert.ok((await first).equals(bytes));
  assert.equal(late.opened.times, 1);

  const alone = blobOf(bytes, { readers: 2, window: 500, patience: 50 });
  assert.ok((await take(alone.blob)).equals(bytes));
  assert.equal(alone.blob.open, false);
  await assert.rejects(take(alone.blob), LeftBehind);
});

test('a reader that leaves does not keep the others, and with the last one reading ends', async () => {
  const bytes = randomBytes(50_000);
  const { blob } = blobOf(bytes, { readers: 2, window: 500 });
  const other = take(blob);
  for await (const chunk of blob.read(0, never)) {
    assert.ok(chunk.length > 0);
    break;
  }
  assert.ok((await other).equals(bytes));

  const stopped = blobOf(bytes, { readers: 1, window: 500 });
  for await (const _ of stopped.blob.read(0, never)) break;
  assert.equal(stopped.blob.open, false);
});

test('what goes wrong at the source is told to every reader', async () => {
  const { blob } = blobOf(randomBytes(5000), { readers: 2, window: 500, failAt: 3000 });
  const results = await Promise.allSettled([take(blob), take(blob)]);
  assert.deepEqual(
    results.map((result) => (result.status === 'rejected' ? String(result.reason) : 'done')),
    ['Error: cut', 'Error: cut'],
  );
});
