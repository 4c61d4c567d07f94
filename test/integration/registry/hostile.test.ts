/** Inputs that are made to hurt: refused with an answer, in bounded memory, and nobody else notices. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Client, client, digestOf, indexType } from './client.ts';
import { type Server, startServer } from './server.ts';

const mebibyte = 1024 * 1024;
let server: Server;
let registry: Client;
before(async () => {
  server = await startServer();
  registry = client(server);
});
after(() => server.discard());

const put = (path: string, body: Uint8Array) =>
  registry.request('PUT', path, { body, headers: { 'content-type': indexType } });

test('a manifest of a million empty objects is refused before it is built', async () => {
  const bomb = Buffer.from(`{"schemaVersion":2,"manifests":[],"x":[${'{},'.repeat(1_000_000)}{}]}`);
  const before = server.rss();
  const answer = await put('/v2/bomb/manifests/x', bomb);
  assert.deepEqual([answer.status, answer.error], [400, 'MANIFEST_INVALID']);
  assert.ok(server.rss() - before < 60e6, `${Math.round((server.rss() - before) / 1e6)} MB more than before`);
});

test('referrers with annotations of megabytes are listed without them', async () => {
  const subject = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [] }));
  await put('/v2/fat/manifests/subject', subject);
  const descriptor = { mediaType: indexType, digest: digestOf(subject), size: subject.length };
  for (let number = 0; number < 10; number++) {
    const annotations = { number: String(number), padding: 'x'.repeat(3 * mebibyte) };
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [], subject: descriptor, annotations }));
    assert.equal((await put(`/v2/fat/manifests/${digestOf(body)}`, body)).status, 201);
  }
  const listed = await registry.request('GET', `/v2/fat/referrers/${descriptor.digest}`);
  assert.equal((listed.json() as { manifests: object[] }).manifests.length, 10);
  assert.ok(listed.body.length < 10_000, `${listed.body.length} bytes`);
});

test('two hundred referrers come in pages that add up, each within what a client takes', async () => {
  const subject = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [], annotations: { a: '1' } }),
  );
  await put('/v2/paged/manifests/subject', subject);
  const descriptor = { mediaType: indexType, digest: digestOf(subject), size: subject.length };
  for (let number = 0; number < 200; number++) {
    const annotations = { number: String(number), padding: 'x'.repeat(30_000) };
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [], subject: descriptor, annotations }));
    assert.equal((await put(`/v2/paged/manifests/${digestOf(body)}`, body)).status, 201);
  }
  const seen = new Set<string>();
  let pages = 0;
  for (let next: string | undefined = `/v2/paged/referrers/${descriptor.digest}`; next !== undefined; pages++) {
    const answer = await registry.request('GET', next);
    assert.ok(answer.body.length < 4 * mebibyte);
    for (const { digest } of (answer.json() as { manifests: { digest: string }[] }).manifests) seen.add(digest);
    next = /<([^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1];
  }
  assert.deepEqual([seen.size, pages], [200, 2]);
});
