/**
 * What may happen on a connection while a remote store is asked. A server cannot be made to produce each of these orders, so the
 * store is one whose answers the test gives; everything else is real.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admission } from '../../../src/registry/http/admission.ts';
import type { Rooms } from '../../../src/registry/http/api.ts';
import { QuickLane } from '../../../src/registry/http/quick-lane.ts';
import type { ManifestWithBytes } from '../../../src/registry/metadata/store.ts';
import { digestOf } from './client.ts';
import { type Wire, wire } from './wire.ts';

const bytes = Buffer.from('{"schemaVersion":2}');
const row = {
  digest: digestOf(bytes) as ManifestWithBytes['digest'],
  mediaType: 'application/vnd.oci.image.index.v1+json',
  size: bytes.length,
  pushedAt: 0,
  bytes,
};
const address = '127.0.0.1';

let server: Server;
let lane: QuickLane;
let admission: Admission;
let limits: { concurrentRequests: number; concurrentUploads: number };
/** Questions that wait for an answer. */
let asked: PromiseWithResolvers<ManifestWithBytes | undefined>[];
let observed: { status: number }[];
/** What Node's side was given. */
let handedOver: string[];
let wires: Wire[];

before(async () => {
  server = createServer((request, response) => {
    handedOver.push(`${request.method} ${request.url}`);
    response.writeHead(404, { 'content-length': 4 }).end('node');
  });
  // Node ends no connection by itself while a test waits for that.
  server.keepAliveTimeout = 60_000;
  const [serve] = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => lane.take(socket, () => serve?.call(server, socket)));
  await once(server.listen(0, address), 'listening');
});
after(() => server.close());

beforeEach(() => {
  asked = [];
  observed = [];
  handedOver = [];
  wires = [];
  admission = new Admission();
  limits = { concurrentRequests: 0, concurrentUploads: 0 };
  lane = new QuickLane(rooms(), { first: 60_000, keepAlive: 60_000 });
});
afterEach(() => {
  for (const one of wires) one.destroy();
});

function rooms(): Rooms {
  const ask = () => {
    const question = Promise.withResolvers<ManifestWithBytes | undefined>();
    asked.push(question);
    return question.promise;
  };
  const configuration = {};
  const parts = {
    gate: { identify: () => ({ name: 'x', anonymous: false, administrator: false }), allows: () => true },
    metadata: { manifest: ask, manifestBytes: ask, blob: ask },
    blobs: { shared: true },
    pulls: { note: () => undefined },
    log: { debug: () => undefined },
    admission,
    settings: () => ({ limits }),
    configuration: () => configuration,
    now: Date.now,
    callerOf: () => ({ authorization: undefined, authority: 'x', secure: false, address }),
    observe: (sample: { status: number }) => observed.push(sample),
  };
  return parts as unknown as Rooms;
}

async function connected(): Promise<Wire> {
  const { port } = server.address() as AddressInfo;
  const one = await wire({ host: `${address}:${port}` });
  wires.push(one);
  return one;
}

const get = (tag: string) => `GET /v2/a/manifests/${tag} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** Resolves when the store was asked so often. */
async function questions(count: number): Promise<void> {
  for (const deadline = Date.now() + 60_000; asked.length < count; await sleep(2)) {
    assert.ok(Date.now() < deadline, `the store was asked ${asked.length} times instead of ${count}`);
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; !holds(); await sleep(2)) assert.ok(Date.now() < deadline, what);
}

/** Whether nothing is counted in any more. */
function nothingInFlight(): boolean {
  return admission.admits(address, { concurrentRequests: 1, concurrentUploads: 0 });
}

describe('while a remote store is asked', () => {
  test('a pull waits, is asked for once, and never reaches the HTTP server', async () => {
    const one = await connected();
    one.send(get('v1'));
    await questions(1);
    assert.equal(nothingInFlight(), false);
    asked[0]?.resolve(row);
    assert.match(await one.until(/\}$/), /^HTTP\/1\.1 200 OK\r\n.*\{"schemaVersion":2\}$/s);
    one.send(get('v1'));
    await questions(2);
    assert.deepEqual(handedOver, []);
    assert.deepEqual(
      observed.map(({ status }) => status),
      [200],
    );
    asked[1]?.resolve(row);
    await until(() => observed.length === 2 && nothingInFlight(), 'the second was not finished');
    assert.equal(asked.length, 2);
  });

  test('what comes after is answered after it, in order', async () => {
    const one = await connected();
    one.send(get('v1'));
    await questions(1);
    one.send(get('v2'));
    await sleep(30);
    assert.equal(asked.length, 1, 'the second was asked for before the first was answered');
    asked[0]?.resolve({ ...row, mediaType: 'first/type' });
    await questions(2);
    asked[1]?.resolve({ ...row, mediaType: 'second/type' });
    const text = await one.until(/second\/type.*\}$/s);
    assert.ok(text.indexOf('first/type') < text.indexOf('second/type'));
    assert.deepEqual(handedOver, []);
  });

  test('a client that leaves gets nothing, and is counted out once', async () => {
    const one = await connected();
    one.send(get('v1'));
    await questions(1);
    one.socket.resetAndDestroy();
    await until(() => observed.length === 1, 'the end of the request was not told');
    assert.equal(nothingInFlight(), false);
    asked[0]?.resolve(row);
    await until(nothingInFlight, 'the request is still counted in');
    await sleep(20);
    assert.deepEqual(
      observed.map(({ status }) => status),
      [499],
    );
    assert.deepEqual(handedOver, []);
    const leave = admission.enter(address, false, { concurrentRequests: 1, concurrentUploads: 0 });
    assert.equal(nothingInFlight(), false, 'it was counted out twice');
    leave();
  });

  test('a client that has sent its end gets what it asked for', async () => {
    const one = await connected();
    one.socket.end(get('v1'));
    await questions(1);
    await sleep(20);
    asked[0]?.resolve(row);
    assert.match(await one.ended(), /^HTTP\/1\.1 200 OK.*\}$/s);
  });

  test('and gets a refusal too, after which the connection ends', async () => {
    const one = await connected();
    one.socket.end(get('v1'));
    await questions(1);
    await sleep(20);
    asked[0]?.resolve(undefined);
    assert.match(await one.ended(), /^HTTP\/1\.1 404 .*node$/s);
    assert.deepEqual(handedOver, ['GET /v2/a/manifests/v1']);
  });

  for (const [what, settle] of [
    ['finds nothing', (question: (typeof asked)[number]) => question.resolve(undefined)],
    ['fails', (question: (typeof asked)[number]) => question.reject(new Error('gone'))],
    [
      'says what cannot be sent',
      (question: (typeof asked)[number]) => question.resolve({ ...row, mediaType: 'a\r\nb: c' }),
    ],
  ] as const) {
    test(`a store that ${what} hands the connection over with all that came`, async () => {
      const one = await connected();
      one.send(get('v1'));
      await questions(1);
      one.send(get('v2'));
      await sleep(20);
      settle(asked[0] as (typeof asked)[number]);
      await one.until(/node.*node$/s);
      one.send(get('v3'));
      await one.until(/node.*node.*node$/s);
      assert.deepEqual(
        handedOver,
        ['v1', 'v2', 'v3'].map((tag) => `GET /v2/a/manifests/${tag}`),
      );
      assert.ok(nothingInFlight());
      assert.deepEqual(observed, []);
    });
  }

  test('an address at its limit is sent to where it is refused', async () => {
    limits = { concurrentRequests: 1, concurrentUploads: 0 };
    const [one, other] = [await connected(), await connected()];
    one.send(get('v1'));
    await questions(1);
    other.send(get('v2'));
    await other.until(/node$/);
    asked[0]?.resolve(row);
    await one.until(/\}$/);
    assert.equal(asked.length, 1);
    assert.ok(nothingInFlight());
  });

  test('a registry that stops lets Node end the connection with the answer', async () => {
    const one = await connected();
    one.send(get('v1'));
    await questions(1);
    lane.leave(true);
    await sleep(20);
    assert.equal(one.socket.destroyed, false, 'the request under way was cut');
    asked[0]?.resolve(row);
    await one.until(/node$/);
    assert.deepEqual(handedOver, ['GET /v2/a/manifests/v1']);
  });

  test('its silence is not the client’s', async () => {
    lane = new QuickLane(rooms(), { first: 1000, keepAlive: 60_000 });
    const one = await connected();
    one.send(get('v1'));
    await questions(1);
    await sleep(2500);
    asked[0]?.resolve(row);
    await one.until(/\}$/);
  });
});
