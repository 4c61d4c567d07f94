/** Any replica continues any upload, and no two of them write to one at once. */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type Client, client, digestOf } from '../registry/client.ts';
import { type Fleet, type Replica, startFleet } from './fleet.ts';

let fleet: Fleet;
let replicas: Replica[];
let clients: Client[];
before(async () => {
  fleet = await startFleet();
  replicas = await Promise.all([fleet.start(), fleet.start(), fleet.start()]);
  clients = replicas.map((replica) => client(replica));
});
after(() => fleet.discard());

const of = (index: number): Client => clients[index % clients.length] as Client;
const mebibyte = 1024 * 1024;

async function begin(at: Client): Promise<string> {
  const begun = await at.request('POST', '/v2/shared/blobs/uploads/');
  assert.equal(begun.status, 202, begun.body.toString());
  return begun.headers.get('location') ?? '';
}

async function pullEverywhere(repository: string, bytes: Buffer): Promise<void> {
  for (const at of clients) {
    const pulled = await at.request('GET', `/v2/${repository}/blobs/${digestOf(bytes)}`);
    assert.equal(pulled.status, 200, pulled.body.subarray(0, 300).toString());
    assert.ok(pulled.body.equals(bytes), 'the bytes differ');
  }
}

test('chunks of any size go to a replica each', async () => {
  const sizes = [1, 100, 5 * mebibyte, 17 * mebibyte, 3, 8 * mebibyte, 2 * mebibyte];
  const bytes = randomBytes(sizes.reduce((sum, size) => sum + size));
  const location = await begin(of(0));
  let sent = 0;
  for (const [index, size] of sizes.entries()) {
    const answer = await of(index + 1).request('PATCH', location, { body: bytes.subarray(sent, sent + size) });
    assert.equal(answer.status, 202, answer.body.toString());
    sent += size;
    assert.equal(answer.headers.get('range'), `0-${sent - 1}`);
    const progress = await of(index + 2).request('GET', location);
    assert.equal(progress.headers.get('range'), `0-${sent - 1}`, 'another replica says how far it is');
  }
  const done = await of(1).request('PUT', `${location}?digest=${digestOf(bytes)}`);
  assert.equal(done.status, 201, done.body.toString());
  await pullEverywhere('shared', bytes);
});

test('a wrong digest is refused by a replica that saw none of the bytes, and leaves no trace', async () => {
  const bytes = randomBytes(9 * mebibyte);
  const location = await begin(of(0));
  assert.equal((await of(0).request('PATCH', location, { body: bytes })).status, 202);
  const wrong = digestOf(Buffer.from('something else'));
  const refused = await of(1).request('PUT', `${location}?digest=${wrong}`);
  assert.equal(refused.status, 400);
  assert.equal(refused.error, 'DIGEST_INVALID');
  for (const digest of [wrong, digestOf(bytes)])
    assert.equal((await of(2).request('HEAD', `/v2/shared/blobs/${digest}`)).status, 404);
  assert.equal((await of(2).request('GET', location)).status, 404);
});

test('of two replicas that are given the next chunk at once, one takes it', { timeout: 120_000 }, async () => {
  for (let round = 0; round < 10; round++) {
    const chunks = [randomBytes(randomInt(1, 200_000)), randomBytes(randomInt(1, 200_000))];
    const location = await begin(of(round));
    const answers = await Promise.all(
      chunks.map((body, index) =>
        of(index).request('PATCH', location, { body, headers: { 'content-range': `0-${body.length - 1}` } }),
      ),
    );
    const taken = answers.flatMap(({ status }, index) => (status === 202 ? [index] : []));
    assert.equal(taken.length, 1, `statuses ${answers.map(({ status }) => status)}`);
    const bytes = chunks[taken[0] ?? 0] as Buffer;
    const done = await of(2).request('PUT', `${location}?digest=${digestOf(bytes)}`);
    assert.equal(done.status, 201, done.body.toString());
    await pullEverywhere('shared', bytes);
  }
});

test('an upload outlives the replica that held it', { timeout: 120_000 }, async () => {
  const bytes = randomBytes(20 * mebibyte);
  const half = 11 * mebibyte + 7;
  const doomed = await fleet.start();
  const location = await begin(client(doomed));
  assert.equal((await client(doomed).request('PATCH', location, { body: bytes.subarray(0, half) })).status, 202);
  await doomed.kill();
  const progress = await of(0).request('GET', location);
  assert.equal(progress.headers.get('range'), `0-${half - 1}`);
  assert.equal((await of(0).request('PATCH', location, { body: bytes.subarray(half) })).status, 202);
  const done = await of(1).request('PUT', `${location}?digest=${digestOf(bytes)}`);
  assert.equal(done.status, 201, done.body.toString());
  await pullEverywhere('shared', bytes);
});
