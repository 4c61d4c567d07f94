/** Replicas that push one tag at once: a history that could have happened in one place, and one winner where there must be one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Call, type Event, isLinearizable } from '../metadata-postgres/linearizable.ts';
import { type Client, client, descriptor, digestOf, imageType } from '../registry/client.ts';
import { type Fleet, startFleet } from './fleet.ts';

let fleet: Fleet;
let clients: Client[];
before(async () => {
  fleet = await startFleet();
  const replicas = await Promise.all([fleet.start(), fleet.start(), fleet.start()]);
  clients = replicas.map((replica) => client(replica));
  await clients[0]?.pushBlob('race', config);
});
after(() => fleet.discard());

const config = Buffer.from('{}');

function manifest(name: string): Buffer {
  const image = {
    schemaVersion: 2,
    mediaType: imageType,
    config: descriptor(config),
    layers: [],
    annotations: { name },
  };
  return Buffer.from(JSON.stringify(image));
}

function push(at: Client, tag: string, bytes: Buffer, headers: Record<string, string> = {}) {
  return at.request('PUT', `/v2/race/manifests/${tag}`, {
    body: bytes,
    headers: { 'content-type': imageType, ...headers },
  });
}

test('what is read of a tag could have been read in one place', { timeout: 180_000 }, async () => {
  for (let round = 0; round < 15; round++) {
    const tag = `moving-${round}`;
    const history: Event[] = [];
    const timed = async (work: () => Promise<Call>) => {
      const from = performance.now();
      const call = await work();
      history.push({ from, to: performance.now(), call });
    };
    await Promise.all(clients.flatMap((at, replica) => [writes(at, replica), reads(at)]));
    assert.ok(isLinearizable(history), `no order explains ${JSON.stringify(history, null, 1)}`);

    async function writes(at: Client, replica: number): Promise<void> {
      for (let count = 0; count < 4; count++)
        await timed(async () => {
          const bytes = manifest(`${round}-${replica}-${count}`);
          assert.equal((await push(at, tag, bytes)).status, 201);
          return { do: 'write', value: digestOf(bytes), only: 'always', result: 'stored' };
        });
    }
    async function reads(at: Client): Promise<void> {
      for (let count = 0; count < 8; count++)
        await timed(async () => {
          const { headers } = await at.request('HEAD', `/v2/race/manifests/${tag}`, { headers: { accept: imageType } });
          return { do: 'read', saw: headers.get('docker-content-digest') ?? undefined };
        });
    }
  }
});

test('of many pushes that may only create a tag, one wins, and everybody reads that one', {
  timeout: 120_000,
}, async () => {
  for (let round = 0; round < 15; round++) {
    const tag = `once-${round}`;
    const pushes = Array.from({ length: 6 }, (_, index) => manifest(`${tag}-${index}`));
    const answers = await Promise.all(
      pushes.map((bytes, index) => push(clients[index % 3] as Client, tag, bytes, { 'if-none-match': '*' })),
    );
    const winners = answers.flatMap(({ status }, index) => (status === 201 ? [index] : []));
    assert.equal(winners.length, 1, `statuses ${answers.map(({ status }) => status)}`);
    for (const { status } of answers) assert.ok(status === 201 || status === 412, `status ${status}`);
    const expected = digestOf(pushes[winners[0] ?? 0] as Buffer);
    for (const at of clients) {
      const { headers } = await at.request('HEAD', `/v2/race/manifests/${tag}`);
      assert.equal(headers.get('docker-content-digest'), expected);
    }
  }
});

test('of many pushes that expect the same present digest, one wins', { timeout: 120_000 }, async () => {
  const tag = 'conditional';
  let current = manifest('first');
  assert.equal((await push(clients[0] as Client, tag, current)).status, 201);
  for (let round = 0; round < 15; round++) {
    const expected = { 'if-match': `"${digestOf(current)}"` };
    const pushes = Array.from({ length: 6 }, (_, index) => manifest(`${tag}-${round}-${index}`));
    const answers = await Promise.all(
      pushes.map((bytes, index) => push(clients[index % 3] as Client, tag, bytes, expected)),
    );
    const winners = answers.flatMap(({ status }, index) => (status === 201 ? [index] : []));
    assert.equal(winners.length, 1, `statuses ${answers.map(({ status }) => status)}`);
    current = pushes[winners[0] ?? 0] as Buffer;
  }
});

test('a deletion that was acknowledged by one replica is seen by the others at once', async () => {
  for (let round = 0; round < 20; round++) {
    const bytes = manifest(`gone-${round}`);
    const [one, two, three] = clients as [Client, Client, Client];
    assert.equal((await push(one, `gone-${round}`, bytes)).status, 201);
    assert.equal((await two.request('GET', `/v2/race/manifests/${digestOf(bytes)}`)).status, 200);
    assert.equal((await three.request('DELETE', `/v2/race/manifests/${digestOf(bytes)}`)).status, 202);
    for (const at of clients) {
      assert.equal((await at.request('GET', `/v2/race/manifests/${digestOf(bytes)}`)).status, 404);
      assert.equal((await at.request('HEAD', `/v2/race/manifests/gone-${round}`)).status, 404);
    }
  }
});
