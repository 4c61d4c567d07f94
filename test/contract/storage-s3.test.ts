import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { openS3Store, type S3Options } from '../../src/registry/storage/s3.ts';
import { type Bucket, startBucket } from '../programs/bucket.ts';
import { chunks, upload } from './fixtures.ts';
import { read, type StorageFixture, storageContract } from './storage.contract.ts';

let bucket: Bucket;
before(async () => {
  bucket = await startBucket();
});
after(() => bucket.stop());

const MIB = 1024 * 1024;

/** Opens a store below a prefix of its own. */
function opener(more: Partial<S3Options>): () => Promise<StorageFixture> {
  return async () => {
    const prefix = `contract-${Math.random().toString(36).slice(2)}/`;
    const options: S3Options = { ...bucket.place, prefix, ...more };
    let blobs = await openS3Store(options);
    return {
      blobs,
      reopen: async () => {
        await blobs.close();
        blobs = await openS3Store(options);
        return blobs;
      },
      truncate: async (key, size) => {
        const client = bucket.client();
        await client.send(
          new PutObjectCommand({ Bucket: bucket.bucket, Key: `${prefix}blobs/${key}`, Body: Buffer.alloc(size) }),
        );
        client.destroy();
      },
      close: async () => {
        await blobs.close();
        await rm(`${bucket.objects}/${prefix}`, { recursive: true, force: true });
      },
    };
  };
}

storageContract('A bucket', opener({}));
// Parts as small as S3 takes them, and memory for hardly two.
storageContract(
  'A bucket, in parts and with little memory,',
  opener({ plan: () => 5 * MIB, memory: { limit: 10 * MIB, part: 5 * MIB } }),
  11 * MIB + 17,
);
// Parts that do not fit into memory are gathered in the bucket.
storageContract(
  'A bucket, in parts larger than memory,',
  opener({ plan: () => 6 * MIB, memory: { limit: 4 * MIB, part: 2 * MIB } }),
  13 * MIB + 17,
);

test('many uploads share little memory, and clients that stop sending do not hold up the others', async () => {
  const { blobs, close } = await opener({ plan: () => 5 * MIB, memory: { limit: 10 * MIB, part: 5 * MIB } })();
  const held = Promise.withResolvers<void>();
  const stopped = async function* () {
    yield* chunks(randomBytes(2 * MIB));
    await held.promise;
  };
  const slow = await Promise.all(
    [1, 2, 3, 4].map(async () => {
      const id = randomUUID();
      await blobs.begin(id);
      return { id, done: blobs.append(id, stopped(), { offset: 0 }) };
    }),
  );
  const contents = [1, 2, 3, 4, 5].map(() => randomBytes(12 * MIB));
  const keys = await Promise.all(contents.map((bytes) => upload(blobs, bytes)));
  for (const [index, key] of keys.entries()) assert.ok((await read(blobs, key)).equals(contents[index] ?? Buffer.of()));
  held.resolve();
  for (const { id, done } of slow) {
    assert.equal((await done).size, 2 * MIB);
    await blobs.cancel(id);
  }
  await close();
});
