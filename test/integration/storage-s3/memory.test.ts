/** Memory of the registry as the image runs it is bounded whatever passes through to and from a bucket. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { bundle } from '../../../build/bundle.ts';
import { type Bucket, startBucket } from '../../programs/bucket.ts';
import { type BucketRegistry, startBucketRegistry } from './server.ts';

const mebibyte = 1024 * 1024;
/** The promise is 100 MiB; with the SDK, which takes 8 of them before anything is asked, this is what is held at present. */
const bound = 104 * mebibyte;

let dist: string;
let bucket: Bucket;
let registry: BucketRegistry;
before(async () => {
  dist = await mkdtemp(join(tmpdir(), 'ne-dist-'));
  await bundle(dist);
  bucket = await startBucket();
  registry = await startBucketRegistry({ place: bucket.place, bundle: dist });
});
after(async () => {
  await registry.discard();
  await bucket.stop();
  await rm(dist, { recursive: true, force: true });
});

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function push(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const headers = { 'content-type': 'application/octet-stream' };
  const url = `${registry.url}/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`;
  const answer = await fetch(url, { method: 'POST', body: bytes, headers });
  assert.equal(answer.status, 201, await answer.text());
  return `${registry.url}/v2/a/blobs/${digestOf(bytes)}`;
}

function assertBounded(): void {
  assert.ok(registry.peak() <= bound, `${(registry.peak() / mebibyte).toFixed(1)} MiB were resident`);
}

it('a hundred pulls of 3 MB at once stay within the bound', { timeout: 120_000 }, async () => {
  const bytes = randomBytes(3_000_000);
  const url = await push(bytes);
  const pull = async () => assert.ok(bytes.equals(Buffer.from(await (await fetch(url)).arrayBuffer())));
  await Promise.all(Array.from({ length: 100 }, pull));
  assertBounded();
});

it('eight pushes of 50 MB at once stay within the bound', { timeout: 240_000 }, async () => {
  const push50 = async (number: number) => {
    const bytes = Buffer.alloc(50_000_000, number + 1);
    assert.equal((await fetch(await push(bytes), { method: 'HEAD' })).headers.get('content-length'), '50000000');
  };
  await Promise.all(Array.from({ length: 8 }, (_, number) => push50(number)));
  assertBounded();
});
