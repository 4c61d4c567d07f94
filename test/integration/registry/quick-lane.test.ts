/** What is answered straight on the connection is what Node's HTTP server would have answered, and everything else gets there. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, client, digestOf, indexType } from './client.ts';
import { type Server, startServer } from './server.ts';

let server: Server;
let registry: Client;
const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [] }));
const longManifest = Buffer.from(
  JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [], annotations: { n: 'x'.repeat(100_000) } }),
);
const blobs = { empty: Buffer.alloc(0), small: randomBytes(5000), large: randomBytes(3_000_000) };

before(async () => {
  server = await startServer();
  registry = client(server);
  for (const [tag, body] of Object.entries({ v1: manifest, long: longManifest })) {
    const headers = { 'content-type': indexType };
    assert.equal((await registry.request('PUT', `/v2/quick/manifests/${tag}`, { body, headers })).status, 201);
  }
  for (const body of Object.values(blobs)) {
    const begun = await registry.request('POST', '/v2/quick/blobs/uploads/');
    const location = `${begun.headers.get('location')}?digest=${digestOf(body)}`;
    assert.equal((await registry.request('PUT', location, { body })).status, 201);
  }
});
after(() => server.discard());

interface Answer {
  readonly status: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** Sends pieces of text over one connection, each when what was asked before is answered, ends it, and gives all that came back. */
const exchange = (...pieces: readonly string[]) => converse(pieces, true);
/** The same, but each piece follows as soon as the registry has read the one before. */
const exchangeInHaste = (...pieces: readonly string[]) => converse(pieces, false);

async function converse(pieces: readonly string[], patient: boolean): Promise<Buffer> {
  const socket = connect(Number(server.host.split(':')[1]), '127.0.0.1');
  socket.setNoDelay();
  await once(socket, 'connect');
  let received = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  for (const [at, piece] of pieces.entries()) {
    await new Promise((resolve) => socket.write(piece, resolve));
    await soon('a piece is read', () => socket.closed || isRead(socket));
    const said = pieces.slice(0, at + 1).join('');
    const asked = said.split('\r\n\r\n').length - 1;
    if (patient || at === pieces.length - 1)
      await soon('it is answered', () => socket.closed || wholeAnswers(received, said.startsWith('HEAD')) >= asked);
  }
  socket.end();
  if (!socket.closed) await once(socket, 'close');
  return received;
}

async function soon(what: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 30_000; !holds(); await sleep(2))
    if (performance.now() > end) throw new Error(`in half a minute it was not so that ${what}`);
}

/** Whether the kernel holds nothing any more of what was sent: what is sent next comes in a read of its own. */
function isRead({ localPort, remotePort }: Socket): boolean {
  const hex = (port = 0) => port.toString(16).toUpperCase().padStart(4, '0');
  const [own, other] = [`0100007F:${hex(localPort)}`, `0100007F:${hex(remotePort)}`];
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  const queues = (from: string, to: string) =>
    lines.find((line) => line.includes(` ${from} ${to} `))?.match(/ ([0-9A-F]{8}):([0-9A-F]{8}) /);
  return queues(own, other)?.[1] === '00000000' && queues(other, own)?.[2] === '00000000';
}

function wholeAnswers(bytes: Buffer, heads: boolean): number {
  let [count, rest] = [0, bytes];
  for (; ; count++) {
    const end = rest.indexOf('\r\n\r\n');
    const fields = rest.subarray(0, Math.max(end, 0)).toString('latin1');
    const length = heads ? 0 : Number(/^content-length: (\d+)/im.exec(fields)?.[1] ?? 0);
    if (end < 0 || rest.length < end + 4 + length) return count;
    rest = rest.subarray(end + 4 + length);
  }
}

function answersIn(bytes: Buffer, heads = false): Answer[] {
  const answers: Answer[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const end = rest.indexOf('\r\n\r\n');
    const [status = '', ...fields] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const length = heads ? 0 : Number(/^content-length: (\d+)$/im.exec(fields.join('\n'))?.[1] ?? 0);
    const body = rest.subarray(end + 4, end + 4 + length);
    assert.equal(body.length, length, 'the body is shorter than its Content-Length');
    answers.push({ status, headers: fields.filter((field) => !/^(date|connection|keep-alive):/i.test(field)), body });
    rest = rest.subarray(end + 4 + length);
  }
  return answers;
}

/** A `Range` that is not understood is none, and no matter for the quick lane either: such a request goes to Node's server. */
const odd = 'Range: x\r\n';

function text(method: string, path: string, more = ''): string {
  return `${method} ${path} HTTP/1.1\r\nHost: ${server.host}\r\nAuthorization: ${server.authorization}\r\n${more}\r\n`;
}

const paths = () => [
  '/v2/quick/manifests/v1',
  `/v2/quick/manifests/${digestOf(manifest)}`,
  '/v2/quick/manifests/long',
  '/v2/quick/manifests/missing',
  '/v2/quick/manifests/.wrong',
  ...Object.values(blobs).map((body) => `/v2/quick/blobs/${digestOf(body)}`),
  `/v2/quick/blobs/${digestOf(Buffer.from('missing'))}`,
  '/v2/',
  '/v2/quick/tags/list',
];

describe('a connection', () => {
  test('gives the same answers whichever way they take', async () => {
    for (const path of paths()) {
      for (const method of ['GET', 'HEAD']) {
        const heads = method === 'HEAD';
        // Twice: the first may have found nothing in memory.
        const quick = answersIn(await exchange(text(method, path), text(method, path)), heads);
        const usual = answersIn(await exchange(text(method, path, odd), text(method, path, odd)), heads);
        assert.deepEqual(quick, usual, `${method} ${path}`);
        assert.equal(quick.length, 2);
      }
    }
  });

  test('goes on with whatever comes after a quick answer', async () => {
    const pull = text('GET', '/v2/quick/manifests/v1');
    const begin = text('POST', '/v2/quick/blobs/uploads/', 'Content-Length: 0\r\n');
    const answers = answersIn(await exchange(pull, begin, pull, text('GET', '/v2/'), pull));
    const statuses = answers.map(({ status }) => status.split(' ')[1]);
    assert.deepEqual(statuses, ['200', '202', '200', '200', '200']);
    for (const at of [0, 2, 4]) assert.deepEqual(answers[at]?.body, manifest);
  });

  test('answers requests that come at once, in order', async () => {
    const pulls = ['v1', 'long', 'v1'].map((tag) => text('GET', `/v2/quick/manifests/${tag}`));
    const large = text('GET', `/v2/quick/blobs/${digestOf(blobs.large)}`);
    const digests = [manifest, longManifest, manifest].map((body) => digestOf(body));
    const digestsIn = (bytes: Buffer) => answersIn(bytes).map(({ body }) => digestOf(body));
    const together = await exchange(pulls.join('') + large + pulls.join(''));
    assert.deepEqual(digestsIn(together), [...digests, digestOf(blobs.large), ...digests]);
    // While the large one is on its way already.
    const after = await exchangeInHaste(large, pulls.join(''));
    assert.deepEqual(digestsIn(after), [digestOf(blobs.large), ...digests]);
  });

  test('takes a request in pieces', async () => {
    const pull = text('GET', '/v2/quick/manifests/v1');
    const answers = answersIn(await exchange(pull.slice(0, 9), pull.slice(9, 40), pull.slice(40)));
    assert.deepEqual(
      answers.map(({ body }) => body),
      [manifest],
    );
  });

  test('knows at once who may not pull any more', async () => {
    const wrong = text('GET', '/v2/quick/manifests/v1').replace(server.authorization, 'Basic dGVzdGVyOndyb25n');
    const pull = text('GET', '/v2/quick/manifests/v1');
    const statuses = answersIn(await exchange(pull, wrong, pull)).map(({ status }) => status.split(' ')[1]);
    assert.deepEqual(statuses, ['200', '401', '200']);
  });

  test('sees what was pushed last', async () => {
    const other = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [], annotations: {} }),
    );
    const socket = connect(Number(server.host.split(':')[1]), '127.0.0.1');
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
    });
    for (const body of [manifest, other, manifest]) {
      const headers = { 'content-type': indexType };
      assert.equal((await registry.request('PUT', '/v2/quick/manifests/moved', { body, headers })).status, 201);
      received = Buffer.alloc(0);
      socket.write(text('GET', '/v2/quick/manifests/moved'));
      await soon('it is answered', () => wholeAnswers(received, false) > 0);
      assert.deepEqual(answersIn(received)[0]?.body, body);
    }
    socket.destroy();
  });
});
