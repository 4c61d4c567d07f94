/** Answers to a body that come too early, or do not come to their end; and what is left of connections. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { provideCollector } from '../../../src/platform/settle.ts';
import { Bucket } from '../../../src/registry/storage/s3/bucket.ts';

const okay = 'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: ';

/** A bucket that answers as `answer` says, which is told of the first bytes of every request. */
async function bucketThat(
  t: TestContext,
  answer: (socket: Socket, first: string) => void,
  silentMillis = 10_000,
): Promise<Bucket> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => answer(socket, bytes.toString('latin1')));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const credentialsDirectory = await mkdtemp(join(tmpdir(), 'ne-answers-'));
  await writeFile(join(credentialsDirectory, 'AWS_ACCESS_KEY_ID'), 'key');
  await writeFile(join(credentialsDirectory, 'AWS_SECRET_ACCESS_KEY'), 'secret');
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const place = { bucket: 'b', prefix: '', region: 'us-east-1', endpoint, credentialsDirectory };
  const bucket = new Bucket(place, { silentMillis, attempts: 1, pauseMillis: 1 });
  t.after(async () => {
    bucket.close();
    server.close();
    for (const socket of sockets) socket.destroy();
    await rm(credentialsDirectory, { recursive: true, force: true });
  });
  return bucket;
}

test('answers without their end take the right to send from nobody', async (t) => {
  let whole = true;
  const bucket = await bucketThat(
    t,
    (socket) => void socket.write(whole ? `${okay}0\r\n\r\n` : `${okay}5\r\n\r\n`),
    5_000,
  );
  await bucket.putBytes('first', Buffer.from('bytes'));
  whole = false;
  const puts = Array.from({ length: 48 }, (_, number) => bucket.putBytes(`object-${number}`, Buffer.from('bytes')));
  for (const { status } of await Promise.allSettled(puts)) assert.equal(status, 'rejected');
  whole = true;
  assert.equal(await bucket.putBytes('later', Buffer.from('bytes')), '"1"');
});

test('a connection that owes the rest of a body is not used again', async (t) => {
  const asked: Socket[] = [];
  const bucket = await bucketThat(t, (socket, first) => {
    if (!first.startsWith('PUT ')) return;
    asked.push(socket);
    socket.write(`${okay}0\r\n\r\n`);
  });
  const answered = Promise.withResolvers<void>();
  async function* slowly() {
    // So much goes to the kernel at once; what follows comes after the answer.
    yield Buffer.alloc(300 * 1024);
    await answered.promise;
    yield Buffer.alloc(1000);
  }
  await bucket.put('slow', { length: 300 * 1024 + 1000, bytes: slowly });
  answered.resolve();
  await bucket.putBytes('next', Buffer.from('bytes'));
  assert.equal(new Set(asked).size, 2);
});

test('what connections read into is free when they are gone', async (t) => {
  provideCollector();
  const answering = new Set<Socket>();
  const bucket = await bucketThat(t, (socket) => {
    answering.add(socket);
    socket.write(`${okay}0\r\n\r\n`);
  });
  const put = (number: number) => bucket.putBytes(`object-${number}`, Buffer.from('bytes'));
  const collected = () => {
    globalThis.gc?.();
    return process.memoryUsage().arrayBuffers;
  };
  await put(0);
  const before = collected();
  await Promise.all(Array.from({ length: 40 }, (_, number) => put(number)));
  assert.ok(answering.size > 20);
  for (const socket of answering) socket.destroy();
  const kept = () => collected() - before;
  for (const deadline = Date.now() + 60_000; kept() > 2 * 1024 * 1024; await sleep(50))
    assert.ok(Date.now() < deadline, `${kept()} bytes stay`);
});
