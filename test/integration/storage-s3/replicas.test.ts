/** Two processes on one bucket: either continues what the other began, and neither sees bytes that are not there. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, it } from 'node:test';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
} from '@aws-sdk/client-s3';
import { openS3Store } from '../../../src/registry/storage/s3.ts';
import type { BlobStore } from '../../../src/registry/storage/store.ts';
import { chunks, digestOfBytes, upload } from '../../contract/fixtures.ts';
import { read, refusal } from '../../contract/storage.contract.ts';
import { type Bucket, startBucket } from '../../programs/bucket.ts';

const MIB = 1024 * 1024;
const data = randomBytes(17 * MIB + 3);

let bucket: Bucket;
let one: BlobStore;
let other: BlobStore;
const prefix = 'shared/';

before(async () => {
  bucket = await startBucket();
  one = await openS3Store({ ...bucket.place, prefix });
  other = await openS3Store({ ...bucket.place, prefix });
});
after(async () => {
  await one.close();
  await other.close();
  await bucket.stop();
});

const begun = async () => {
  const id = randomUUID();
  await one.begin(id);
  return id;
};

it('any replica takes any chunk of any upload', async () => {
  for (const step of [1_000_000, 5 * MIB, 7_654_321]) {
    const id = await begun();
    for (let at = 0, turn = 0; at < data.length; at += step, turn++) {
      const store = turn % 2 === 0 ? other : one;
      assert.equal(await store.progress(id), at);
      await store.append(id, chunks(data.subarray(at, at + step)), { offset: at });
    }
    const { key } = await one.finish(id, digestOfBytes(data));
    assert.ok((await read(other, key)).equals(data));
    assert.equal(await other.digestOf(key), digestOfBytes(data));
    assert.equal(await other.progress(id), undefined);
  }
});

it('a replica that has not seen all bytes reads them back before they get a name', async () => {
  const id = await begun();
  await one.append(id, chunks(data), { offset: 0 });
  await assert.rejects(other.finish(id, digestOfBytes(Buffer.from('other'))), refusal('DIGEST_INVALID', 400));
  assert.equal(await one.progress(id), undefined);
  // What lies there has no name, and nothing says what it is: the sweep removes it.
  for await (const { key, uploadId } of one.list())
    if (uploadId === id) assert.equal(await one.digestOf(key), undefined);
  assert.ok(!(await Array.fromAsync(one.uploads())).some((left) => left.id === id));
});

it('who took an upload over and closes it with a wrong digest takes nothing from who closed it before', async () => {
  const heldSince = performance.now();
  const bytes = data.subarray(0, 15 * MIB);
  const id = await begun();
  await one.append(id, chunks(bytes), { offset: 0, heldSince });
  // As after a lease that ended too early: both believe that the upload is theirs.
  await other.append(id, chunks(Buffer.alloc(0)), { offset: bytes.length, heldSince });
  const { key } = await one.finish(id, digestOfBytes(bytes), { heldSince });
  const wrong = digestOfBytes(Buffer.from('other'));
  await assert.rejects(other.finish(id, wrong, { heldSince }), refusal('DIGEST_INVALID', 400));
  assert.ok((await read(other, key)).equals(bytes));
});

it('an upload whose parts were put together by a replica that then died is closed by another, if they are all of it', async () => {
  for (const [bytes, whole] of [
    [data.subarray(0, 15 * MIB), true],
    [data, false],
  ] as const) {
    const id = await begun();
    await one.append(id, chunks(bytes), { offset: 0 });
    await completeBehindTheirBack(id);
    assert.equal(await other.progress(id), 15 * MIB);
    const finishing = other.finish(id, digestOfBytes(bytes));
    if (whole) assert.ok((await read(one, (await finishing).key)).equals(bytes));
    else await assert.rejects(finishing, refusal('DIGEST_INVALID', 400));
  }
});

/** As a replica leaves it that dies before it writes the marker: the parts are one object. */
async function completeBehindTheirBack(id: string): Promise<void> {
  const client = bucket.client();
  const Key = `${prefix}blobs/${id}`;
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket.bucket, Prefix: Key }));
  const target = { Bucket: bucket.bucket, Key, UploadId: Uploads[0]?.UploadId };
  const { Parts = [] } = await client.send(new ListPartsCommand(target));
  const parts = Parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
  await client.send(new CompleteMultipartUploadCommand({ ...target, MultipartUpload: { Parts: parts } }));
  client.destroy();
}

it('an upload that another replica cancelled is unknown', async () => {
  const id = await begun();
  await one.append(id, chunks(data), { offset: 0 });
  await other.cancel(id);
  assert.equal(await one.progress(id), undefined);
  await assert.rejects(one.append(id, chunks(data), { offset: data.length }), refusal('BLOB_UPLOAD_UNKNOWN', 404));
  await assert.rejects(one.finish(id, digestOfBytes(data)), refusal('BLOB_UPLOAD_UNKNOWN', 404));
});

it('parts that no process knows of any more are listed as an upload, and cancelled', async () => {
  const client = bucket.client();
  const id = randomUUID();
  const Key = `${prefix}blobs/${id}`;
  await client.send(new CreateMultipartUploadCommand({ Bucket: bucket.bucket, Key }));
  const found = (await Array.fromAsync(one.uploads())).find((left) => left.id === id);
  assert.ok(found !== undefined && Math.abs(found.modifiedAt - Date.now()) < 60_000);
  await one.cancel(id);
  const list = new ListMultipartUploadsCommand({ Bucket: bucket.bucket, Prefix: Key });
  assert.deepEqual((await client.send(list)).Uploads ?? [], []);
  client.destroy();
});

it('nothing is left of uploads that are finished', async () => {
  await upload(one, data);
  await upload(one, data.subarray(0, 1000));
  await one.close();
  assert.deepEqual(await Array.fromAsync(other.uploads()), []);
  one = await openS3Store({ ...bucket.place, prefix });
});

it('a blob in parts goes with its marker', async () => {
  const key = await upload(one, data);
  await other.remove(key);
  const names = (await Array.fromAsync(one.list())).filter((stored) => stored.key === key);
  assert.deepEqual(names, []);
  assert.equal(await one.digestOf(key), undefined);
});
