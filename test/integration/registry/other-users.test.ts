/** What belongs to one user is nothing to another, and who is removed is out with the next request. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startTestRegistry } from '../auth/registry.ts';
import { type Answer, client, digestOf } from './client.ts';
import { head, wire } from './wire.ts';

test("another user's upload does not exist, whoever knows its UUID: GET, PATCH, PUT, DELETE (CVE-2026-32589)", async () => {
  await using registry = await startTestRegistry({ users: ['alice', 'mallory'] });
  const [alice, mallory] = ['alice', 'mallory'].map((user) =>
    client({ url: registry.url, authorization: registry.basic(user) }),
  );
  assert.ok(alice && mallory);
  const location = (await alice.request('POST', '/v2/a/blobs/uploads/')).headers.get('location') ?? '';
  const bytes = randomBytes(20);
  await alice.request('PATCH', location, { body: bytes.subarray(0, 10) });
  for (const [method, query, body] of [
    ['GET', '', undefined],
    ['PATCH', '', 'x'],
    ['PUT', `?digest=${digestOf(bytes.subarray(0, 10))}`, undefined],
    ['DELETE', '', undefined],
  ] as const) {
    const answer: Answer = await mallory.request(method, location + query, body === undefined ? {} : { body });
    assert.deepEqual([method, answer.status, answer.error], [method, 404, 'BLOB_UPLOAD_UNKNOWN']);
  }
  const done = await alice.request('PUT', `${location}?digest=${digestOf(bytes)}`, { body: bytes.subarray(10) });
  assert.equal(done.status, 201);
});

test('a user who is removed is out with the next request, also on a connection that is open (CVE-2025-23208)', async () => {
  await using registry = await startTestRegistry({ users: ['alice', 'bob'] });
  const alice = client({ url: registry.url, authorization: registry.basic('alice') });
  const { digest, layer } = await alice.pushImage('kept', 'v1');
  const { alice: password = '', bob = '' } = registry.passwords;
  const host = new URL(registry.url).host;
  const token = async () => {
    const scope = encodeURIComponent('repository:kept:pull');
    const issued = await alice.request('GET', `/token?service=reg.example&scope=${scope}`);
    return `Bearer ${(issued.json() as { token: string }).token}`;
  };
  for (const path of ['manifests/v1', `manifests/${digest}`, `blobs/${layer}`]) {
    for (const credentials of [async () => registry.basic('alice'), token]) {
      await registry.setUsers({ alice: password, bob });
      const line = await wire({ host });
      const request = head({ host, authorization: await credentials() }, `GET /v2/kept/${path}`);
      line.send(request);
      await line.until(/HTTP\/1.1 200 /);
      await registry.setUsers({ bob });
      line.send(request);
      await line.until(/HTTP\/1.1 401 /);
      line.destroy();
    }
  }
});

test('a tag that exists is not overwritten by who may only create: the condition is part of the commit', async () => {
  await using registry = await startTestRegistry();
  const alice = client({ url: registry.url, authorization: registry.basic('alice') });
  await alice.pushImage('immutable', 'v1');
  const body = Buffer.from('{"schemaVersion":2,"manifests":[]}');
  const headers = { 'content-type': 'application/vnd.oci.image.index.v1+json', 'if-none-match': '*' };
  assert.equal((await alice.request('PUT', '/v2/immutable/manifests/v1', { body, headers })).status, 412);
  assert.equal((await alice.request('PUT', '/v2/immutable/manifests/v2', { body, headers })).status, 201);
});
