/** Headers and bodies that do not end, come slowly, or stop: an answer, an end, bounded memory, and others are served. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Client, client, digestOf, indexType } from './client.ts';
import { type Server, startServer } from './server.ts';
import { until } from './space/until.ts';
import { head, type Wire, wire } from './wire.ts';

const mebibyte = 1024 * 1024;
let server: Server;
let registry: Client;
before(async () => {
  server = await startServer();
  registry = client(server);
});
after(() => server.discard());

/** Writes a piece again and again until the other side has had enough, or `most` bytes went; answers how many went. */
async function pour(line: Wire, piece: Buffer, most: number): Promise<number> {
  let sent = 0;
  while (sent < most && !line.socket.destroyed && line.socket.writable) {
    sent += piece.length;
    if (!line.socket.write(piece)) {
      await new Promise((resolve) => line.socket.once('drain', resolve).once('close', resolve));
    }
  }
  return sent;
}

async function grown(work: () => Promise<void>): Promise<number> {
  const before = server.rss();
  await work();
  return (server.rss() - before) / mebibyte;
}

test('a gigabyte of header lines is cut off after some kilobytes, with 431', async () => {
  const line = await wire(server);
  const more = await grown(async () => {
    line.send(`GET /v2/ HTTP/1.1\r\nHost: ${server.host}\r\n`);
    const sent = await pour(line, Buffer.from(`X-Filler: ${'x'.repeat(1000)}\r\n`.repeat(64)), 1024 * mebibyte);
    assert.ok(sent < 64 * mebibyte, `${sent} bytes were taken`);
    assert.match(await line.ended(), /^HTTP\/1.1 431 /);
  });
  assert.ok(more < 40, `${more.toFixed(0)} MiB more`);
});

test('one header line or request line without an end is cut off as well', async () => {
  for (const start of [`GET /v2/ HTTP/1.1\r\nHost: ${server.host}\r\nX: `, 'GET /']) {
    const line = await wire(server);
    line.send(start);
    const sent = await pour(line, Buffer.alloc(64 * 1024, 'a'), 1024 * mebibyte);
    assert.ok(sent < 64 * mebibyte, `${sent} bytes were taken`);
    await line.ended();
  }
});

test('headers that come byte by byte end after some twenty seconds with 408, however lively', async () => {
  const line = await wire(server);
  line.send(`GET /v2/ HTTP/1.1\r\nHost: ${server.host}\r\nX: `);
  const drip = setInterval(() => line.socket.write('x'), 500);
  const began = performance.now();
  try {
    assert.match(await line.ended(90_000), /^HTTP\/1.1 408 /);
    assert.ok(performance.now() - began > 15_000);
  } finally {
    clearInterval(drip);
  }
});

test('an endless manifest without a length is 413, in bounded memory', async () => {
  const line = await wire(server);
  const more = await grown(async () => {
    line.send(head(server, 'PUT /v2/endless/manifests/x', `Content-Type: ${indexType}`, 'Transfer-Encoding: chunked'));
    const piece = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, ' '), Buffer.from('\r\n')]);
    const pouring = pour(line, piece, 1024 * mebibyte);
    await line.until(/^HTTP\/1.1 413 .*SIZE_INVALID/s);
    assert.ok((await pouring) < 64 * mebibyte);
  });
  assert.ok(more < 60, `${more.toFixed(0)} MiB more`);
});

test('a body that is refused, larger than is read: common clients see the answer all the same', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'ne-large-')), 'body');
  const body = randomBytes(32 * mebibyte);
  writeFileSync(file, body);
  try {
    const path = '/v2/large/manifests/x';
    const fetched = await registry.request('PUT', path, { body, headers: { 'content-type': indexType } });
    assert.equal(fetched.status, 413);
    assert.equal(await nodeStatus(path, body), 413);
    for (const more of [[], ['-H', 'Expect:'], ['-H', 'Transfer-Encoding: chunked']]) {
      const args = [
        '-s',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        '-T',
        file,
        '-H',
        `Authorization: ${server.authorization}`,
        ...more,
      ];
      const { stdout } = await promisify(execFile)('curl', [...args, `${server.url}${path}`]).catch(
        (error: { stdout: string }) => error,
      );
      assert.equal(stdout, '413', `curl ${more.join(' ')}`);
    }
  } finally {
    rmSync(join(file, '..'), { recursive: true });
  }
});

/** As `node:http` does it: the answer may come while the body is still being sent. */
function nodeStatus(path: string, body: Buffer): Promise<number | undefined> {
  const headers = { authorization: server.authorization, 'content-type': indexType };
  return new Promise((resolve, reject) => {
    const asked = httpRequest(new URL(path, server.url), { method: 'PUT', headers, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.once('error', reject);
    asked.end(body);
  });
}

test('who wants the connection closed and does not read while it sends gets the answer too', async () => {
  const line = await wire(server);
  line.socket.pause();
  let failure: Error | undefined;
  line.socket.once('error', (error) => {
    failure = error;
  });
  const lines = [`Content-Type: ${indexType}`, 'Connection: close', `Content-Length: ${32 * mebibyte}`];
  line.send(head(server, 'PUT /v2/large/manifests/x', ...lines));
  // The answer is under way before the last of it goes out.
  await pour(line, Buffer.alloc(mebibyte), mebibyte);
  await pause(500);
  await pour(line, Buffer.alloc(mebibyte), mebibyte);
  await pause(500);
  assert.equal(failure, undefined);
  line.socket.resume();
  await line.until(/^HTTP\/1.1 413 .*SIZE_INVALID/s);
  line.destroy();
});

test('300 uploads that stop in the middle: others push, and what arrived can be resumed', async () => {
  const part = randomBytes(1000);
  const begun = await Promise.all(
    Array.from({ length: 300 }, () => registry.request('POST', '/v2/half/blobs/uploads/')),
  );
  const lines: Wire[] = [];
  const more = await grown(async () => {
    for (const { headers } of begun) {
      const line = await wire(server, { from: '127.0.0.3' });
      line.send(head(server, `PATCH ${headers.get('location')}`, 'Content-Length: 1000000'));
      line.send(part);
      lines.push(line);
    }
    for (let count = 0; count < 5; count++) await registry.pushBlob('half', randomBytes(mebibyte));
  });
  assert.ok(more < 60, `${more.toFixed(0)} MiB more`);
  for (const line of lines) line.destroy();
  const location = begun[0]?.headers.get('location') ?? '';
  const rest = randomBytes(500);
  const resume = () => registry.request('PATCH', location, { body: rest, headers: { 'content-range': '1000-1499' } });
  let resumed = await resume();
  // So it is told while the connection that broke still has the upload.
  await until('the upload is free', async () => {
    if (resumed.status === 409) resumed = await resume();
    return resumed.status !== 409;
  });
  assert.deepEqual([resumed.status, resumed.headers.get('range')], [202, '0-1499']);
  const digest = digestOf(Buffer.concat([part, rest]));
  assert.equal((await registry.request('PUT', `${location}?digest=${digest}`)).status, 201);
});

test('an index in an index in an index, two hundred deep, is pushed, listed and deleted like any other', async () => {
  let child = { mediaType: indexType, digest: `sha256:${'0'.repeat(64)}`, size: 1 };
  const digests: string[] = [];
  for (let depth = 0; depth < 200; depth++) {
    const body = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [child, child], subject: child }),
    );
    child = { mediaType: indexType, digest: digestOf(body), size: body.length };
    const put = await registry.request('PUT', `/v2/deep/manifests/${child.digest}`, {
      body,
      headers: { 'content-type': indexType },
    });
    assert.equal(put.status, 201);
    digests.push(child.digest);
  }
  const list = await registry.request('GET', `/v2/deep/referrers/${digests[100]}`);
  assert.equal((list.json() as { manifests: object[] }).manifests.length, 1);
  for (const digest of digests) {
    assert.equal((await registry.request('DELETE', `/v2/deep/manifests/${digest}`)).status, 202);
  }
});
