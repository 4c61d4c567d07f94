import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { createZstdCompress } from 'node:zlib';
import fc from 'fast-check';
import { DamagedFile, readPortable, verifyPortable, writePortable } from '../../../src/registry/recovery/portable.ts';

const head = { kind: 'snapshot', sequence: 7, takenAt: 5 } as const;
const rows = [
  { row: 'repository', name: 'a/b' },
  { row: 'manifest', bytes: Buffer.from([0, 255, 10, 13]), edges: [] },
  { row: 'change', sequence: 8, manifest: { bytes: Buffer.from([1, 2, 3]), mediaType: 'x' } },
];

async function all(bytes: Uint8Array): Promise<object[]> {
  const found: object[] = [];
  for await (const row of readPortable('the file', Readable.from([bytes], { objectMode: false }))) found.push(row);
  return found;
}

test('rows come out as they went in', async () => {
  const [first, ...rest] = await all(await buffer(writePortable(head, rows)));
  assert.deepEqual(first, { row: 'head', format: 1, ...head });
  assert.deepEqual(rest, rows);
});

test('a file that is cut anywhere is refused', async () => {
  const whole = await buffer(writePortable(head, rows));
  for (let length = 0; length < whole.length; length++)
    await assert.rejects(all(whole.subarray(0, length)), DamagedFile, `cut to ${length} of ${whole.length}`);
});

test('a file in which a bit is changed is refused', async () => {
  const whole = await buffer(writePortable(head, rows));
  const flip = fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(7), async (at, bit) => {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ (1 << bit);
    // Some bits of a zstd frame mean nothing (the reserved ones, the kind of an empty block): what comes out counts.
    const outcome = await all(changed).catch((error: unknown) => error);
    if (outcome instanceof Error) assert.ok(outcome instanceof DamagedFile, String(outcome));
    else assert.deepEqual(outcome, await all(whole));
  });
  await fc.assert(flip, { numRuns: 400 });
});

test('rows that were left out, and files of other programs and later versions, are refused with the reason', async () => {
  const write = async (lines: object[]) => {
    const compress = createZstdCompress();
    compress.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return Readable.from([await buffer(compress)], { objectMode: false });
  };
  const reason = async (lines: object[]) =>
    verifyPortable('f', await write(lines)).catch((error: Error) => error.message);
  assert.match(String(await reason([{ row: 'head', format: 2 }])), /of format 2, and this program knows 1/);
  assert.match(String(await reason([{ hello: 1 }])), /does not begin as/);
  assert.match(
    String(
      await reason([
        { row: 'head', format: 1 },
        { row: 'end', rows: 9 },
      ]),
    ),
    /holds 1 rows and says/,
  );
  assert.match(
    String(
      await reason([
        { row: 'head', format: 1 },
        { row: 'end', rows: 1, sha256: 'x' },
      ]),
    ),
    /SHA-256/,
  );
  assert.match(String(await reason([])), /cut off/);
});

test('an error of the rows reaches whoever reads the file', async () => {
  async function* broken() {
    yield rows[0] as object;
    throw new Error('the disk is gone');
  }
  await assert.rejects(buffer(writePortable(head, broken())), /the disk is gone/);
});
