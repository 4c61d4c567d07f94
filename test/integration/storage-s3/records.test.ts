/** Records in a bucket, and URLs under which clients fetch blobs themselves. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, it } from 'node:test';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { openS3Records, openS3Store } from '../../../src/registry/storage/s3.ts';
import { upload } from '../../contract/fixtures.ts';
import { type Bucket, startBucket } from '../../programs/bucket.ts';

let bucket: Bucket;
before(async () => {
  bucket = await startBucket();
});
after(() => bucket.stop());

const bytesOf = async (stream: Readable | undefined) =>
  stream === undefined ? undefined : Buffer.concat(await Array.fromAsync(stream as AsyncIterable<Buffer>));

it('records are stored whole, small or large, listed in order, replaced and removed', async () => {
  const records = openS3Records({ ...bucket.place, prefix: 'second/' });
  const large = randomBytes(12_000_000);
  const stream = () => Readable.from(large.length > 0 ? [large.subarray(0, 7_000_000), large.subarray(7_000_000)] : []);
  await records.put('journal/0002', Buffer.from('two'));
  await records.put('journal/0001', Readable.from([Buffer.from('o'), Buffer.from('ne')]));
  await records.put('snapshots/a.zst', stream());
  await records.put('empty', Readable.from([]));
  assert.equal((await bytesOf(await records.get('journal/0001')))?.toString(), 'one');
  assert.ok((await bytesOf(await records.get('snapshots/a.zst')))?.equals(large));
  assert.equal((await bytesOf(await records.get('empty')))?.length, 0);
  assert.equal(await records.get('nothing'), undefined);
  const names = (await Array.fromAsync(records.list('journal/'))).map(({ name, size }) => [name, size]);
  assert.deepEqual(names, [
    ['journal/0001', 3],
    ['journal/0002', 3],
  ]);
  await records.put('journal/0001', Buffer.from('replaced'));
  assert.equal((await bytesOf(await records.get('journal/0001')))?.toString(), 'replaced');
  await records.remove('journal/0001');
  await records.remove('journal/0001');
  assert.equal(await records.get('journal/0001'), undefined);
  for (const name of ['../x', '/x', 'A', 'a//b', 'a/../b', ''])
    await assert.rejects(records.put(name, Buffer.of(1)), RangeError);
  await records.close();
});

it('a record whose source breaks is not there at all', async () => {
  const records = openS3Records({ ...bucket.place, prefix: 'broken/' });
  const broken = async function* () {
    yield randomBytes(6_000_000);
    yield randomBytes(6_000_000);
    throw new Error('the source broke');
  };
  await assert.rejects(records.put('snapshot', Readable.from(broken())), /the source broke/);
  assert.equal(await records.get('snapshot'), undefined);
  await records.close();
});

it('a URL gives the bytes, a range of them, and answers HEAD, without credentials and for a while', async () => {
  const bytes = randomBytes(200_000);
  const redirects = { mode: 'Presigned', expirySeconds: 60 } as const;
  const blobs = await openS3Store({ ...bucket.place, prefix: 'with space+plus/', redirects });
  const reader = await blobs.open(await upload(blobs, bytes), { start: 0, end: bytes.length - 1 });
  const url = (await reader?.location?.('GET')) ?? '';
  assert.match(url, /X-Amz-Expires=60/);
  assert.ok(!url.includes(bucket.credentials.secretAccessKey));
  const whole = await fetch(url);
  assert.equal(whole.status, 200);
  assert.ok(Buffer.from(await whole.arrayBuffer()).equals(bytes));
  const part = await fetch(url, { headers: { range: 'bytes=5-9' } });
  assert.equal(part.status, 206);
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(5, 10)));
  const head = await fetch((await reader?.location?.('HEAD')) ?? '', { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, '200000']);
  assert.equal((await fetch(url.replace(/Signature=..../, 'Signature=0000'))).status, 403);
  assert.equal((await fetch(url, { method: 'DELETE' })).status, 403);
  await reader?.close();
  await blobs.close();
});

it('encryption and storage class are asked for with every blob', async () => {
  const seen: (string | undefined)[] = [];
  const { startBucketFaults } = await import('../../programs/bucket-faults.ts');
  const faults = await startBucketFaults(bucket.endpoint);
  faults.break(({ operation, key, request }) => {
    if (!key.includes('/blobs/') || key.includes('.is.')) return undefined;
    if (operation !== 'PutObject' && operation !== 'CreateMultipartUpload') return undefined;
    const { headers } = request;
    const names = [
      'x-amz-server-side-encryption',
      'x-amz-server-side-encryption-aws-kms-key-id',
      'x-amz-storage-class',
    ];
    seen.push(`${operation} ${names.map((name) => headers[name]).join(' ')}`);
    return undefined;
  });
  const blobs = await openS3Store({
    ...bucket.place,
    endpoint: faults.endpoint,
    prefix: 'encrypted/',
    serverSideEncryption: { algorithm: 'aws:kms', kmsKeyID: 'a-key' },
    storageClass: 'INTELLIGENT_TIERING',
  }).catch((error: unknown) => error);
  if (blobs instanceof Error)
    assert.match(blobs.message, /NotImplemented|not implemented|InvalidStorageClass|could not do this/);
  else {
    await upload(blobs as never, randomBytes(10)).catch(() => undefined);
    await upload(blobs as never, randomBytes(6_000_000)).catch(() => undefined);
    await (blobs as { close(): Promise<void> }).close();
    assert.deepEqual(seen, [
      'PutObject aws:kms a-key INTELLIGENT_TIERING',
      'CreateMultipartUpload aws:kms a-key INTELLIGENT_TIERING',
    ]);
  }
  await faults.stop();
});

it('the digest of a blob is in the bucket, whatever way it came', async () => {
  const blobs = await openS3Store({ ...bucket.place, prefix: 'digests/' });
  for (const size of [10, 6_000_000]) {
    const bytes = randomBytes(size);
    const key = await upload(blobs, bytes);
    assert.equal(await blobs.digestOf(key), `sha256:${createHash('sha256').update(bytes).digest('hex')}`);
    const client = bucket.client();
    const { ContentLength } = await client.send(
      new HeadObjectCommand({ Bucket: bucket.bucket, Key: `digests/blobs/${key}` }),
    );
    client.destroy();
    assert.equal(ContentLength, size);
  }
  await blobs.close();
});
