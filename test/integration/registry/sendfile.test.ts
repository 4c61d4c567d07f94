/** Large blobs go from the page cache into the socket; whoever reads them, however, gets the bytes that were pushed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { open, truncate } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FilesystemStore } from '../../../src/registry/storage/filesystem.ts';
import { temporaryFolder, upload } from '../../contract/fixtures.ts';

const content = randomBytes(11 * 1024 * 1024 + 4321);
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let blobs: FilesystemStore;
let key: string;

before(async () => {
  folder = await temporaryFolder();
  blobs = await FilesystemStore.open({ directory: folder.path, reserveBytes: 0 });
  key = await upload(blobs, content);
  // The first reader makes the store look for the system's calls.
  for (const deadline = Date.now() + 60_000; blobs.unseenTraffic === 0; await sleep(50)) {
    assert.ok(Date.now() < deadline, 'the system has no such call');
    await received({ start: 0, end: content.length - 1 });
  }
});
after(async () => {
  await blobs.close();
  await folder.remove();
});

interface Link {
  readonly here: Socket;
  readonly there: Socket;
  close(): void;
}

/** Two ends of a connection over loopback. */
async function link(): Promise<Link> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const there = connect(port, '127.0.0.1');
  const [here] = (await once(server, 'connection')) as [Socket];
  server.close();
  return { here, there, close: () => [here, there].forEach((end) => void end.destroy()) };
}

async function received({ start, end }: { start: number; end: number }, read = (there: Socket) => buffer(there)) {
  const { here, there, close } = await link();
  const reader = await blobs.open(key);
  assert.ok(reader);
  const all = read(there);
  here.write('head');
  await reader.send(here, start, end);
  here.end();
  await reader.close();
  const bytes = await all;
  close();
  assert.equal(bytes.subarray(0, 4).toString(), 'head');
  return bytes.subarray(4);
}

const same = (bytes: Uint8Array, expected: Uint8Array) =>
  assert.equal(createHash('sha256').update(bytes).digest('hex'), createHash('sha256').update(expected).digest('hex'));

test('a whole file arrives as it is, most of it without this process having seen it', async () => {
  const before = blobs.unseenTraffic;
  same(await received({ start: 0, end: content.length - 1 }), content);
  const unseen = blobs.unseenTraffic - before;
  assert.ok(unseen > content.length / 2, `${unseen} of ${content.length} bytes were handed over`);
});

test('any range of it too', async () => {
  for (const [start, end] of [
    [1, 100_000],
    [65_535, 65_536 * 9],
    [content.length - 300_000, content.length - 1],
    [4_000_001, 9_999_999],
  ] as const)
    same(await received({ start, end }), content.subarray(start, end + 1));
});

test('a client that stops reading for a while, and twenty at once', async () => {
  const haltingly = async (there: Socket) => {
    const parts: Buffer[] = [];
    for await (const part of there) {
      parts.push(part);
      if (parts.length % 40 === 0) await sleep(20);
    }
    return Buffer.concat(parts);
  };
  const all = Array.from({ length: 20 }, (_, index) =>
    received({ start: index, end: content.length - 1 }, index % 2 === 0 ? haltingly : undefined),
  );
  for (const [index, bytes] of (await Promise.all(all)).entries()) same(bytes, content.subarray(index));
});

test('what is not in memory is read the other way', async () => {
  const file = await open(join(folder.path, 'blobs', key));
  await file.sync();
  await file.close();
  const { status } = spawnSync('dd', [
    `of=${join(folder.path, 'blobs', key)}`,
    'oflag=nocache',
    'conv=notrunc,fdatasync',
    'count=0',
  ]);
  assert.equal(status, 0);
  same(await received({ start: 0, end: content.length - 1 }), content);
});

test('a sink that is no socket gets the bytes from buffers', async () => {
  const reader = await blobs.open(key);
  const sink = new PassThrough();
  const all = buffer(sink);
  await reader?.send(sink, 0, content.length - 1);
  sink.end();
  await reader?.close();
  same(await all, content);
});

test('a client that goes away ends the sending', async () => {
  const { here, there, close } = await link();
  const reader = await blobs.open(key);
  there.once('data', () => there.resetAndDestroy());
  here.on('error', () => undefined);
  await assert.rejects(async () => {
    for (;;) await reader?.send(here, 0, content.length - 1);
  });
  await reader?.close();
  close();
});

test('a file that is shorter than it was is called damaged, after what is left of it', async () => {
  const short = await upload(blobs, content.subarray(0, 3_000_000));
  await truncate(join(folder.path, 'blobs', short), 1_000_000);
  const { here, there, close } = await link();
  const reader = await blobs.open(short);
  there.resume();
  await assert.rejects(async () => reader?.send(here, 0, 2_999_999), /ends at 1000000.*damaged/);
  await reader?.close();
  close();
});
