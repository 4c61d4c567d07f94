/** Pulls that are answered straight on the connection, with PostgreSQL and a bucket behind: the same answers, never older than the truth. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type Client, client, digestOf, indexType } from '../registry/client.ts';
import { type Wire, wire } from '../registry/wire.ts';
import { type Fleet, type Replica, startFleet } from './fleet.ts';

let fleet: Fleet;
let replicas: Replica[];
let clients: Client[];
const wires: Wire[] = [];
const index = (annotations: object) =>
  Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [], annotations }));
const manifests = { small: index({}), long: index({ n: 'x'.repeat(100_000) }) };
const blobs = { empty: Buffer.alloc(0), small: randomBytes(5000), large: randomBytes(3_000_000) };

before(async () => {
  fleet = await startFleet();
  replicas = await Promise.all([fleet.start(), fleet.start()]);
  clients = replicas.map((replica) => client(replica));
  for (const [tag, body] of Object.entries(manifests)) await push(0, tag, body);
  for (const body of Object.values(blobs)) await clients[0]?.pushBlob('quick', body);
});
after(async () => {
  for (const one of wires) one.destroy();
  await fleet.discard();
});

async function push(at: number, tag: string, body: Buffer): Promise<void> {
  const headers = { 'content-type': indexType };
  const answer = await clients[at]?.request('PUT', `/v2/quick/manifests/${tag}`, { body, headers });
  assert.equal(answer?.status, 201);
}

async function connected(at: number): Promise<Wire> {
  const one = await wire({ host: new URL(replicas[at]?.url ?? '').host });
  wires.push(one);
  return one;
}

function request(method: string, path: string, more = ''): string {
  return `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${replicas[0]?.authorization}\r\n${more}\r\n`;
}

interface Heard {
  readonly status: string;
  readonly fields: readonly string[];
  readonly digest: string;
}

/** Asks once, and returns what came; what differs by the clock is left out. */
async function hear(one: Wire, method: string, text: string): Promise<Heard> {
  const before = one.received().length;
  one.send(text);
  for (const deadline = Date.now() + 20_000; ; await new Promise((resolve) => setTimeout(resolve, 5))) {
    const came = one.received().slice(before);
    const end = came.indexOf('\r\n\r\n');
    if (end >= 0) {
      const [status = '', ...fields] = came.slice(0, end).split('\r\n');
      const length = method === 'HEAD' ? 0 : Number(/^content-length: (\d+)$/im.exec(came)?.[1] ?? 0);
      const body = Buffer.from(came.slice(end + 4), 'latin1');
      if (body.length === length) {
        const lasting = fields.filter((field) => !/^(date|connection|keep-alive):/i.test(field));
        return { status, fields: lasting, digest: digestOf(body) };
      }
    }
    assert.ok(Date.now() < deadline, `no whole answer came: ${came.slice(0, 300)}`);
  }
}

const paths = () => [
  ...Object.keys(manifests).map((tag) => `/v2/quick/manifests/${tag}`),
  ...Object.values(manifests).map((body) => `/v2/quick/manifests/${digestOf(body)}`),
  '/v2/quick/manifests/missing',
  ...Object.values(blobs).map((body) => `/v2/quick/blobs/${digestOf(body)}`),
  `/v2/quick/blobs/${digestOf(Buffer.from('missing'))}`,
];

/** Not understood, so no range; but not for the quick path either. */
const odd = 'Range: x\r\n';

test('the answers are the same whichever way they take', { timeout: 180_000 }, async () => {
  for (const path of paths()) {
    for (const method of ['GET', 'HEAD']) {
      const [quick, usual] = [await connected(0), await connected(0)];
      const expected = await hear(usual, method, request(method, path, odd));
      // Twice: the second may find bytes in memory.
      for (const _ of [1, 2]) assert.deepEqual(await hear(quick, method, request(method, path)), expected, path);
    }
  }
});

test('a connection to one replica sees at once what was pushed to and deleted at another', async () => {
  const one = await connected(1);
  for (let count = 0; count < 20; count++) {
    const body = index({ count: String(count % 3) });
    await push(0, 'moving', body);
    const heard = await hear(one, 'GET', request('GET', '/v2/quick/manifests/moving'));
    assert.deepEqual([heard.status, heard.digest], ['HTTP/1.1 200 OK', digestOf(body)]);
  }
  assert.equal((await clients[0]?.request('DELETE', '/v2/quick/manifests/moving'))?.status, 202);
  const heard = await hear(one, 'GET', request('GET', '/v2/quick/manifests/moving'));
  assert.equal(heard.status, 'HTTP/1.1 404 Not Found');
});

test('a blob that was deleted is gone at once, though its bytes are in memory', async () => {
  const path = `/v2/quick/blobs/${digestOf(blobs.small)}`;
  const one = await connected(1);
  assert.equal((await hear(one, 'GET', request('GET', path))).digest, digestOf(blobs.small));
  assert.equal((await hear(one, 'GET', request('GET', path))).digest, digestOf(blobs.small));
  assert.equal((await clients[0]?.request('DELETE', path))?.status, 202);
  assert.equal((await hear(one, 'GET', request('GET', path))).status, 'HTTP/1.1 404 Not Found');
});
