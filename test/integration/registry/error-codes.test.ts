/** Every error code of the specification, as a client meets it; no other code, and one shape. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { catalogue } from '../../../src/domain/errors.ts';
import { startTestRegistry, type TestRegistry } from '../auth/registry.ts';
import { type Client, client, digestOf, imageType, indexType } from './client.ts';
import { head, type Wire, wire } from './wire.ts';

const limits =
  'limits: {manifestBytes: 4096, uploadBytes: 1000, concurrentUploads: 2}\ncontent: {missingReferences: Refuse}';
const nothing = `sha256:${'0'.repeat(64)}`;
let registry: TestRegistry;
let user: Client;
before(async () => {
  registry = await startTestRegistry({ more: limits });
  user = client({ url: registry.url, authorization: registry.basic('alice') });
});
after(() => registry[Symbol.asyncDispose]());

const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [] }));
const sparse = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: imageType,
    config: { mediaType: 'a', digest: nothing, size: 1 },
    layers: [],
  }),
);
const put = (path: string, body: Uint8Array, headers: Record<string, string> = {}) =>
  user.request('PUT', path, { body, headers: { 'content-type': indexType, ...headers } });
const begin = async () => (await user.request('POST', '/v2/a/blobs/uploads/')).headers.get('location') ?? '';
const unknownUpload = '/v2/a/blobs/uploads/123e4567-e89b-42d3-a456-426614174000';

const refused: Record<
  keyof typeof catalogue,
  readonly [status: number, () => Promise<Awaited<ReturnType<typeof put>>>][]
> = {
  BLOB_UNKNOWN: [
    [404, () => user.request('GET', `/v2/a/blobs/${nothing}`)],
    [404, () => user.request('DELETE', `/v2/a/blobs/${nothing}`)],
  ],
  BLOB_UPLOAD_INVALID: [
    [416, async () => user.request('PATCH', await begin(), { body: 'x', headers: { 'content-range': '5-5' } })],
    [400, async () => user.request('PATCH', await begin(), { body: 'x', headers: { 'content-range': 'x' } })],
  ],
  BLOB_UPLOAD_UNKNOWN: [
    [404, () => user.request('GET', unknownUpload)],
    [404, () => user.request('PATCH', unknownUpload, { body: 'x' })],
    [404, () => user.request('PUT', `${unknownUpload}?digest=${nothing}`)],
    [404, () => user.request('DELETE', unknownUpload)],
    [404, () => user.request('GET', '/v2/a/blobs/uploads/not-a-uuid')],
  ],
  DIGEST_INVALID: [
    [400, async () => user.request('PUT', `${await begin()}?digest=${nothing}`, { body: 'x' })],
    [400, () => put(`/v2/a/manifests/${nothing}`, index)],
    [400, () => user.request('GET', '/v2/a/blobs/sha256:short')],
    [400, () => user.request('GET', '/v2/a/referrers/latest')],
  ],
  MANIFEST_BLOB_UNKNOWN: [[404, () => put('/v2/a/manifests/x', sparse, { 'content-type': imageType })]],
  MANIFEST_INVALID: [
    [400, () => put('/v2/a/manifests/x', Buffer.from('{}'))],
    [400, () => put('/v2/a/manifests/.x', index)],
  ],
  MANIFEST_UNKNOWN: [
    [404, () => user.request('GET', '/v2/a/manifests/none')],
    [404, () => user.request('GET', `/v2/never/seen/manifests/${nothing}`)],
    [404, () => user.request('DELETE', '/v2/a/manifests/none')],
  ],
  NAME_INVALID: [
    [400, () => user.request('GET', '/v2/A/tags/list')],
    [400, () => user.request('POST', '/v2/a__/blobs/uploads/')],
    [400, () => user.request('GET', `/v2/${'a'.repeat(256)}/tags/list`)],
    [400, () => user.request('POST', `/v2/a/blobs/uploads/?mount=${nothing}&from=A`)],
  ],
  NAME_UNKNOWN: [[404, () => user.request('GET', '/v2/never/seen/tags/list')]],
  SIZE_INVALID: [
    [413, () => put('/v2/a/manifests/x', Buffer.alloc(4097))],
    [413, async () => user.request('PATCH', await begin(), { body: randomBytes(1001) })],
    [400, async () => user.request('PATCH', await begin(), { body: 'xyz', headers: { 'content-range': '0-0' } })],
  ],
  UNAUTHORIZED: [
    [401, () => user.request('GET', '/v2/', { authorization: null })],
    [401, () => user.request('GET', '/v2/a/tags/list', { authorization: registry.basic('nobody') })],
    [401, () => user.request('GET', '/v2/', { authorization: 'Bearer nonsense' })],
  ],
  DENIED: [
    [412, () => put('/v2/a/manifests/taken', index, { 'if-none-match': '*' })],
    [412, () => put('/v2/a/manifests/none', index, { 'if-match': `"${nothing}"` })],
  ],
  UNSUPPORTED: [
    [404, () => user.request('GET', '/v2/a/nothing/here')],
    [405, () => user.request('POST', '/v2/a/manifests/x')],
    [405, () => user.request('PUT', '/v2/_catalog')],
    [400, () => user.request('GET', '/v2/a/tags/list?n=-1')],
    [400, () => user.request('GET', '/v2/a/tags/list?n=x')],
    [400, () => put('/v2/a/manifests/x', index, { 'if-none-match': '"x"' })],
  ],
  TOOMANYREQUESTS: [[429, thirdUpload]],
};

/** With two uploads of one address under way, a third is told to come back. */
async function thirdUpload() {
  const server = { host: new URL(registry.url).host, authorization: registry.basic('alice') };
  const lines: Wire[] = [];
  for (const location of [await begin(), await begin()]) {
    const line = await wire(server);
    line.send(head(server, `PATCH ${location}`, 'Content-Length: 10', 'Expect: 100-continue'));
    await line.until(/100 Continue/);
    lines.push(line);
  }
  try {
    return await user.request('POST', '/v2/a/blobs/uploads/');
  } finally {
    for (const line of lines) {
      line.send('0123456789');
      await line.until(/HTTP\/1.1 202 /);
      line.destroy();
    }
  }
}

for (const [code, cases] of Object.entries(refused)) {
  test(`${code} in a body of the specification's shape`, async () => {
    await put('/v2/a/manifests/taken', index);
    for (const [status, ask] of cases) {
      const { headers, body, ...answer } = await ask();
      const { errors, ...more } = answer.json() as { errors: { code: string; message: string }[] };
      assert.deepEqual([answer.status, errors.length, more], [status, 1, {}], body.toString());
      const { code: found, message, ...rest } = errors[0] ?? { code: '', message: '' };
      assert.equal(found, code);
      assert.ok(message.length > 0);
      assert.ok(Object.keys(rest).every((key) => key === 'detail'));
      assert.equal(headers.get('content-type'), 'application/json');
      assert.equal(headers.get('content-length'), String(body.length));
      if (status === 401) assert.match(headers.get('www-authenticate') ?? '', /^Bearer realm="[^"]+",service="[^"]+"/);
      if (status === 429) assert.match(headers.get('retry-after') ?? '', /^\d+$/);
      if (status === 405) assert.ok(headers.get('allow'));
    }
  });
}

test('a blob that is larger than limits.uploadBytes is refused, also where its length is not announced; the upload stays usable', async () => {
  const location = await begin();
  const body = new Blob([new Uint8Array(5000)]).stream();
  assert.equal((await user.request('PATCH', location, { body })).status, 413);
  const { status, headers } = await user.request('GET', location);
  assert.equal(status, 204);
  assert.ok(Number(headers.get('range')?.slice(2)) < 1000);
  assert.equal((await user.request('DELETE', location)).status, 204);
  const small = randomBytes(1000);
  assert.equal(await user.pushBlob('a', small), digestOf(small));
});
