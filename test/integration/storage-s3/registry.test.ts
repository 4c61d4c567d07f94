/** A registry on a bucket as its clients see it: while the bucket fails, and with redirects. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { type Bucket, startBucket } from '../../programs/bucket.ts';
import { type BucketFaults, startBucketFaults } from '../../programs/bucket-faults.ts';
import { installClients } from '../clients/programs.ts';
import { type BucketRegistry, startBucketRegistry } from './server.ts';

const exec = promisify(execFile);
const slowDown = { status: 503, code: 'SlowDown' };
const mebibyte = 1024 * 1024;

let bucket: Bucket;
let faults: BucketFaults;
let registry: BucketRegistry;
before(async () => {
  bucket = await startBucket();
  faults = await startBucketFaults(bucket.endpoint);
  const place = { ...bucket.place, endpoint: faults.endpoint, prefix: 'plain/' };
  // What the bucket is asked for is counted, and the scrubber begins to read a minute after the start.
  registry = await startBucketRegistry({ place, more: { scrub: { bytesPerSecond: 0 } } });
});
afterEach(() => faults.heal());
after(async () => {
  await registry.discard();
  await faults.stop();
  await bucket.stop();
});

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function push(bytes: Uint8Array<ArrayBuffer>, to: BucketRegistry = registry): Promise<Response> {
  const headers = { 'content-type': 'application/octet-stream' };
  return fetch(`${to.url}/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`, { method: 'POST', body: bytes, headers });
}

async function pushed(bytes: Uint8Array<ArrayBuffer>, to: BucketRegistry = registry): Promise<string> {
  const answer = await push(bytes, to);
  assert.equal(answer.status, 201, await answer.text());
  return `${to.url}/v2/a/blobs/${digestOf(bytes)}`;
}

async function assertTemporary(answer: Response): Promise<void> {
  assert.equal(answer.status, 503);
  assert.ok(Number(answer.headers.get('retry-after')) > 0);
  const { errors } = (await answer.json()) as { errors: { code: string }[] };
  assert.equal(errors[0]?.code, 'TOOMANYREQUESTS');
}

describe('while the bucket answers 503', () => {
  it('pushes and pulls are answered 503 with Retry-After, and go well afterwards', async () => {
    const [stored, other] = [randomBytes(300_000), randomBytes(6 * mebibyte)];
    const url = await pushed(stored);
    faults.break(() => slowDown);
    await assertTemporary(await push(other));
    await assertTemporary(await fetch(url));
    await assertTemporary(await fetch(`${registry.url}/v2/a/blobs/uploads/`, { method: 'POST' }));
    faults.heal();
    assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), stored);
    assert.equal((await fetch(await pushed(other), { method: 'HEAD' })).status, 200);
    for (const line of registry.log) assert.ok(!line.includes(bucket.credentials.secretAccessKey));
  });
});

it('a pull that the bucket cuts for good is a broken connection, never a short 200 or 206', async () => {
  const bytes = randomBytes(4 * mebibyte);
  const url = await pushed(bytes);
  for (const headers of [{}, { range: 'bytes=100-3000000' }]) {
    faults.break(({ operation }) => (operation === 'GetObject' ? { cutAnswerAfter: 200_000 } : undefined));
    const answer = await fetch(url, { headers });
    assert.ok(answer.ok);
    await assert.rejects(answer.arrayBuffer());
    faults.heal();
    const length = (await (await fetch(url, { headers })).arrayBuffer()).byteLength;
    assert.equal(length, 'range' in headers ? 2_999_901 : bytes.length);
  }
});

it('a small push takes one request to the bucket, a pull one, and a second pull of little none', async () => {
  faults.forget();
  const url = await pushed(randomBytes(1000));
  assert.deepEqual(faults.operations, ['PutObject']);
  faults.forget();
  await (await fetch(url)).arrayBuffer();
  await (await fetch(url)).arrayBuffer();
  assert.equal((await fetch(url, { method: 'HEAD' })).status, 200);
  assert.deepEqual(faults.operations, ['GetObject']);
});

it('bytes that vanish from the bucket are unknown, and a push heals them', async () => {
  const bytes = randomBytes(200_000);
  const url = await pushed(bytes);
  await rm(join(bucket.objects, 'plain/blobs'), { recursive: true });
  assert.equal((await fetch(url)).status, 404);
  assert.equal((await fetch(await pushed(bytes))).status, 200);
});

describe('with redirects', () => {
  let redirecting: BucketRegistry;
  before(async () => {
    const place = { ...bucket.place, prefix: 'redirected/', redirects: { mode: 'Presigned' } };
    redirecting = await startBucketRegistry({ place });
  });
  after(() => redirecting.discard());

  it('GET sends the client to the bucket, whole or for a range; HEAD answers itself', async () => {
    const bytes = randomBytes(6 * mebibyte);
    const url = await pushed(bytes, redirecting);
    const answer = await fetch(url, { redirect: 'manual' });
    assert.equal(answer.status, 307);
    assert.ok(answer.headers.get('location')?.startsWith(bucket.endpoint));
    assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), bytes);
    const part = await fetch(url, { headers: { range: 'bytes=10-19' } });
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(10, 20));
    const head = await fetch(url, { method: 'HEAD', redirect: 'manual' });
    assert.deepEqual(
      [head.status, head.headers.get('content-length'), head.headers.get('docker-content-digest')],
      [200, String(bytes.length), digestOf(bytes)],
    );
  });

  it('crane and skopeo push and pull', async () => {
    const { crane } = await installClients();
    const home = await mkdtemp(join(tmpdir(), 'ne-redirects-'));
    await pushImage(redirecting, 'a', 'v1');
    await exec(crane, ['--insecure', 'copy', `${redirecting.host}/a:v1`, `${registry.host}/copied:v1`]);
    const { stdout } = await exec(crane, ['--insecure', 'validate', '--remote', `${redirecting.host}/a:v1`]);
    assert.match(stdout, /PASS/);
    const skopeo = (...args: string[]) => exec('skopeo', ['--insecure-policy', 'copy', ...args]);
    await skopeo('--src-tls-verify=false', `docker://${redirecting.host}/a:v1`, `oci:${home}/image:v1`);
    await skopeo('--dest-tls-verify=false', `oci:${home}/image:v1`, `docker://${redirecting.host}/b:v1`);
    await exec(crane, ['--insecure', 'validate', '--remote', `${redirecting.host}/b:v1`]);
    await rm(home, { recursive: true });
  });
});

/** An archive with one file. */
function tarOf(content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write('file');
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        0', 148);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc(1024)]);
}

/** An image with one layer. */
async function pushImage(to: BucketRegistry, repository: string, tag: string): Promise<void> {
  const content = randomBytes(8 * mebibyte);
  const layer = gzipSync(tarOf(content));
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(tarOf(content))] },
    }),
  );
  for (const bytes of [layer, config]) await pushed(bytes, to);
  const described = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: described('application/vnd.oci.image.config.v1+json', config),
    layers: [described('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
  };
  const answer = await fetch(`${to.url}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    body: JSON.stringify(manifest),
    headers: { 'content-type': manifest.mediaType },
  });
  assert.equal(answer.status, 201, await answer.text());
}
