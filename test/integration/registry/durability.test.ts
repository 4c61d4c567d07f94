/** What was answered 201 is there after a kill -9, whole; what was not can be resumed, or says that it is gone. */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, client, descriptor, digestOf, imageType } from './client.ts';
import { type Server, startServer } from './server.ts';

/** At least, and on a machine that is too busy to push much between two kills at most. */
const rounds = { least: 20, most: 100 };
const pushers = 4;
const data = mkdtempSync(join(tmpdir(), 'ne-durability-'));
after(() => rmSync(data, { recursive: true, force: true }));

interface Acknowledged {
  /** Digests of blobs in `durable`. */
  readonly blobs: Set<string>;
  /** Tag to the digest it was last acknowledged to point at. */
  readonly tags: Map<string, string>;
  /** Upload location to the bytes that it is meant to hold. */
  readonly unfinished: Map<string, Buffer>;
}

test('twenty kills while four clients push lose nothing and damage nothing', { timeout: 1_800_000 }, async () => {
  const acknowledged: Acknowledged = { blobs: new Set(), tags: new Map(), unfinished: new Map() };
  const pushedEnough = () => acknowledged.blobs.size > rounds.least && acknowledged.tags.size > rounds.least;
  for (let round = 0; round < rounds.least || (round < rounds.most && !pushedEnough()); round++) {
    const server = await startServer({ data });
    const registry = client(server);
    await resumeAll(registry, acknowledged);
    const work = Array.from({ length: pushers }, (_, pusher) =>
      pushUntilCut(registry, acknowledged, `${round}-${pusher}`),
    );
    await sleep(randomInt(20, 600));
    await server.kill();
    await Promise.all(work);
  }
  const server = await startServer({ data });
  try {
    const { blobs, tags } = acknowledged;
    assert.ok(pushedEnough(), `only ${blobs.size} blobs and ${tags.size} tags were pushed at all`);
    await verify(client(server), acknowledged);
  } finally {
    await stopped(server);
  }
});

async function stopped(server: Server): Promise<void> {
  assert.equal(await server.stop(), 0);
}

/** Pushes images, in one piece and in chunks, until the connection breaks. */
async function pushUntilCut(registry: Client, acknowledged: Acknowledged, name: string): Promise<void> {
  try {
    for (let count = 0; ; count++) {
      const layer = randomBytes(randomInt(1, 300_000));
      await (count % 2 === 0 ? pushWhole : pushChunks)(registry, acknowledged, layer);
      await pushTag(registry, acknowledged, { tag: `t-${name}-${count}`, layer });
    }
  } catch (error) {
    assert.ok(error instanceof TypeError, `the push failed otherwise than by its connection: ${error}`);
  }
}

async function pushWhole(registry: Client, { blobs }: Acknowledged, bytes: Buffer): Promise<void> {
  blobs.add(await registry.pushBlob('durable', bytes));
}

async function pushChunks(registry: Client, { blobs, unfinished }: Acknowledged, bytes: Buffer): Promise<void> {
  const begun = await registry.request('POST', '/v2/durable/blobs/uploads/');
  assert.equal(begun.status, 202);
  const location = begun.headers.get('location') ?? '';
  unfinished.set(location, bytes);
  const half = Math.floor(bytes.length / 2);
  for (const chunk of [bytes.subarray(0, half), bytes.subarray(half)]) {
    if (chunk.length === 0) continue;
    const answer = await registry.request('PATCH', location, { body: chunk });
    assert.equal(answer.status, 202);
  }
  const digest = digestOf(bytes);
  const done = await registry.request('PUT', `${location}?digest=${digest}`);
  assert.equal(done.status, 201);
  unfinished.delete(location);
  blobs.add(digest);
}

async function pushTag(
  registry: Client,
  { tags, blobs }: Acknowledged,
  image: { tag: string; layer: Buffer },
): Promise<void> {
  const config = Buffer.from('{}');
  blobs.add(await registry.pushBlob('durable', config));
  const manifest = {
    schemaVersion: 2,
    mediaType: imageType,
    config: descriptor(config),
    layers: [descriptor(image.layer)],
  };
  const body = Buffer.from(JSON.stringify(manifest));
  const headers = { 'content-type': imageType };
  const put = await registry.request('PUT', `/v2/durable/manifests/${image.tag}`, { body, headers });
  assert.equal(put.status, 201);
  tags.set(image.tag, digestOf(body));
}

/** Every upload that a kill interrupted either goes on from where the registry says it is, or is plainly unknown. */
async function resumeAll(registry: Client, { unfinished, blobs }: Acknowledged): Promise<void> {
  for (const [location, bytes] of unfinished) {
    unfinished.delete(location);
    const progress = await registry.request('GET', location);
    if (progress.status === 404) {
      assert.equal(progress.error, 'BLOB_UPLOAD_UNKNOWN');
      continue;
    }
    assert.equal(progress.status, 204);
    const end = Number(progress.headers.get('range')?.split('-')[1]);
    const held = end === 0 ? await heldBytes(registry, location, bytes) : end + 1;
    const digest = digestOf(bytes);
    const headers: Record<string, string> =
      held < bytes.length ? { 'content-range': `${held}-${bytes.length - 1}` } : {};
    const body = held < bytes.length ? { body: bytes.subarray(held) } : {};
    const done = await registry.request('PUT', `${location}?digest=${digest}`, { headers, ...body });
    assert.equal(done.status, 201, `resuming at ${held} of ${bytes.length}: ${done.body}`);
    blobs.add(digest);
  }
}

/** `Range: 0-0` says none or one byte; a chunk that begins at 0 tells them apart. */
async function heldBytes(registry: Client, location: string, bytes: Buffer): Promise<number> {
  const first = await registry.request('PATCH', location, {
    body: bytes.subarray(0, 1),
    headers: { 'content-range': '0-0' },
  });
  assert.ok(first.status === 202 || first.status === 416);
  return 1;
}

async function verify(registry: Client, { blobs, tags }: Acknowledged): Promise<void> {
  for (const digest of blobs) {
    const got = await registry.request('GET', `/v2/durable/blobs/${digest}`);
    assert.deepEqual([got.status, digestOf(got.body)], [200, digest]);
  }
  for (const [tag, digest] of tags) {
    const got = await registry.request('GET', `/v2/durable/manifests/${tag}`);
    assert.deepEqual([got.status, digestOf(got.body)], [200, digest]);
  }
}
