/** Who takes much and gives nothing back slows down nobody at another address. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { client, digestOf, indexType } from './client.ts';
import { type Server, startServer } from './server.ts';
import { head, type Wire, wire } from './wire.ts';

const mebibyte = 1024 * 1024;
const blob = randomBytes(24 * mebibyte);
const hostile = '127.0.0.1';
const peaceful = '127.0.0.2';
let server: Server;
before(async () => {
  server = await startServer();
  await client(server).pushBlob('shared', blob);
});
after(() => server.discard());

interface Sent {
  readonly status: number | undefined;
  readonly bytes: number;
  readonly millis: number;
}

/** A request from the peaceful address, on a connection of its own. */
function ask(method: string, path: string, body?: Buffer): Promise<Sent> {
  const began = performance.now();
  const headers = {
    authorization: server.authorization,
    'content-type': indexType,
    ...(body && { 'content-length': body.length }),
  };
  return new Promise((resolve, reject) => {
    const url = new URL(path, server.url);
    const asked = httpRequest(url, { method, headers, localAddress: peaceful, agent: false }, (answer) => {
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      answer.once('error', reject);
      answer.once('end', () => resolve({ status: answer.statusCode, bytes, millis: performance.now() - began }));
    });
    asked.once('error', reject);
    asked.end(body);
  });
}

async function slowestPull(count: number): Promise<number> {
  let slowest = 0;
  for (let done = 0; done < count; done++) {
    const { status, bytes, millis } = await ask('GET', `/v2/shared/blobs/${digestOf(blob)}`);
    assert.deepEqual([status, bytes], [200, blob.length]);
    slowest = Math.max(slowest, millis);
  }
  return slowest;
}

const manifest = (bytes: number) =>
  Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [], annotations: { x: 'x'.repeat(bytes) } }),
  );

/** The slowest of five pulls while somebody else is hostile, milliseconds. */
async function slowestPullBesideHostility(): Promise<number> {
  const lines: Wire[] = [];
  try {
    for (let count = 0; count < 300; count++) {
      const line = await wire(server, { from: hostile });
      line.socket.pause();
      line.send(head(server, `GET /v2/shared/blobs/${digestOf(blob)}`));
      lines.push(line);
    }
    const whole = manifest(5 * mebibyte);
    for (let count = 0; count < 50; count++) {
      const line = await wire(server, { from: hostile });
      line.send(head(server, `PUT /v2/shared/manifests/x${count}`, `Content-Length: ${whole.length}`));
      line.send(whole.subarray(0, mebibyte));
      lines.push(line);
    }
    // Long enough for every buffer that they can get to be theirs, and shorter than any patience with them.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const pushed = await ask('PUT', '/v2/shared/manifests/mine', manifest(4 * mebibyte));
    assert.equal(pushed.status, 201);
    return await slowestPull(5);
  } finally {
    for (const line of lines) line.destroy();
  }
}

test('300 pulls that nobody reads and 50 manifests that stop arriving, from one address: another one does not notice', async () => {
  const usual = await slowestPull(5);
  const meanwhile: number[] = [];
  const unnoticed = () => Math.min(...meanwhile) < 3 * usual + 300;
  // Hostility slows every round down, whatever else the machine does now and then slows one.
  while (!unnoticed() && meanwhile.length < 5) meanwhile.push(await slowestPullBesideHostility());
  const shown = meanwhile.map((millis) => millis.toFixed(0)).join(', ');
  assert.ok(unnoticed(), `the slowest pulls took ${shown} ms instead of ${usual.toFixed(0)}`);
});

test('manifests that stop arriving are given up after some seconds, with 408', async () => {
  const line = await wire(server, { from: hostile });
  line.send(head(server, 'PUT /v2/shared/manifests/slow', 'Content-Length: 1000'));
  line.send('{"schemaVersion":2');
  // Any other silence is borne for two minutes.
  const answer = await line.ended(60_000);
  assert.match(answer, /^HTTP\/1.1 408 .*SIZE_INVALID/s);
});
