/** A bucket that fails: clear errors, no partial state, and going on as soon as it works again. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { StoreError } from '../../../src/registry/metadata/store.ts';
import { openS3Store, type S3Options } from '../../../src/registry/storage/s3.ts';
import type { BlobStore } from '../../../src/registry/storage/store.ts';
import { chunks, digestOfBytes, upload } from '../../contract/fixtures.ts';
import { Collector, read } from '../../contract/storage.contract.ts';
import { type Bucket, type Credentials, startBucket } from '../../programs/bucket.ts';
import { type BucketFault, type BucketFaults, startBucketFaults } from '../../programs/bucket-faults.ts';

const MIB = 1024 * 1024;
const retries = { attempts: 3, pauseMillis: 10 };
/** However busy the machine is, the bucket says something within this time. */
const patience = { ...retries, silentMillis: 30_000 };
/** Where silence is what is tried: what is not silent has two attempts of this time. */
const impatience = { ...retries, silentMillis: 2_000 };
const small = randomBytes(100_000);
const large = randomBytes(11 * MIB + 5);

let bucket: Bucket;
let faults: BucketFaults;
let blobs: BlobStore;
/** The same store, which bears less silence. */
let hasty: BlobStore;
let prefix: string;
const options = (more: Partial<S3Options> = {}): S3Options => ({
  ...bucket.place,
  endpoint: faults.endpoint,
  prefix,
  patience,
  ...more,
});

before(async () => {
  bucket = await startBucket();
  faults = await startBucketFaults(bucket.endpoint);
  prefix = `${randomUUID()}/`;
  blobs = await openS3Store(options());
  hasty = await openS3Store(options({ patience: impatience }));
});
afterEach(() => faults.heal());
after(async () => {
  await hasty.close();
  await blobs.close();
  await faults.stop();
  await bucket.stop();
});

/** Whoever waits for this to be over. */
const storeFor = (fault: BucketFault) =>
  fault === 'hang' || (typeof fault === 'object' && 'stallAnswerAfter' in fault) ? hasty : blobs;

const keys = async () => (await Array.fromAsync(blobs.list())).map(({ key }) => key);

/** Breaks one operation, for so many times. */
function breakOperation(operation: string, fault: BucketFault, times = Number.POSITIVE_INFINITY): void {
  let left = times;
  faults.break((request) => {
    if (request.operation !== operation || left === 0) return undefined;
    left -= 1;
    return fault;
  });
}

/** Where nobody listens: such a port is given to nobody who asks for any that is free. */
const nobody = 'http://127.0.0.1:1';

async function failure(work: Promise<unknown>): Promise<StoreError> {
  const error = await work.then(
    () => assert.fail('it went well'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof StoreError, inspect(error));
  const { accessKeyId, secretAccessKey } = bucket.credentials;
  for (const secret of [accessKeyId, secretAccessKey, 'Signature=']) assert.ok(!inspect(error).includes(secret));
  return error;
}

const flows: readonly { name: string; bytes: Buffer; operations: readonly string[] }[] = [
  { name: 'a small push', bytes: small, operations: ['PutObject'] },
  {
    name: 'a push in parts',
    bytes: large,
    operations: ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'],
  },
];
const slowDown = { status: 503, code: 'SlowDown' };

for (const { name, bytes, operations } of flows)
  describe(name, () => {
    for (const operation of operations) {
      it(`passes over a moment in which ${operation} is refused, cut or not answered`, async () => {
        const refusals: BucketFault[] = [
          slowDown,
          { status: 500, code: 'InternalError' },
          { status: 409, code: 'ExistingObjectIsDirectory' },
        ];
        const passing: BucketFault[] = [...refusals, 'cut', 'hang', 'lose-answer'];
        for (const fault of passing) {
          breakOperation(operation, fault, 1);
          const key = await upload(storeFor(fault), bytes);
          faults.heal();
          assert.ok((await read(blobs, key)).equals(bytes));
        }
      });

      it(`fails clearly while ${operation} fails, leaves nothing, and goes well afterwards`, async () => {
        const before = await keys();
        for (const [fault, kind] of [
          [slowDown, 'busy'],
          ['hang', 'io'],
          ['cut', 'io'],
        ] as const) {
          breakOperation(operation, fault);
          assert.equal((await failure(upload(storeFor(fault), bytes))).kind, kind);
          faults.heal();
          assert.deepEqual(await keys(), before);
        }
        const key = await upload(blobs, bytes);
        assert.ok((await read(blobs, key)).equals(bytes));
        await blobs.remove(key);
      });
    }
  });

it('an upload whose part could not be sent goes on where the bucket says', async () => {
  const id = randomUUID();
  await blobs.begin(id);
  let parts = 0;
  faults.break(({ operation }) => (operation === 'UploadPart' && ++parts > 1 ? slowDown : undefined));
  await failure(blobs.append(id, chunks(large), { offset: 0 }));
  faults.heal();
  const size = await blobs.progress(id);
  assert.equal(size, 5 * MIB);
  await blobs.append(id, chunks(large.subarray(size)), { offset: size });
  const { key } = await blobs.finish(id, digestOfBytes(large));
  assert.ok((await read(blobs, key)).equals(large));
});

it('an upload that could not be closed can be closed later', async () => {
  for (const [bytes, operation] of [
    [small, 'PutObject'],
    [large, 'CompleteMultipartUpload'],
  ] as const) {
    const id = randomUUID();
    await blobs.begin(id);
    await blobs.append(id, chunks(bytes), { offset: 0 });
    breakOperation(operation, slowDown);
    assert.equal((await failure(blobs.finish(id, digestOfBytes(bytes)))).kind, 'busy');
    faults.heal();
    assert.equal(await blobs.progress(id), bytes.length);
    const { key } = await blobs.finish(id, digestOfBytes(bytes));
    assert.ok((await read(blobs, key)).equals(bytes));
  }
});

it('bytes that arrive as others are refused by the bucket and sent again', async () => {
  for (const [bytes, operation, at] of [
    [small, 'PutObject', 5],
    [large, 'UploadPart', 3_000_000],
  ] as const) {
    breakOperation(operation, { corruptRequestByteAt: at }, 1);
    const key = await upload(blobs, bytes);
    assert.ok((await read(blobs, key)).equals(bytes));
    breakOperation(operation, { corruptRequestByteAt: at });
    await failure(upload(blobs, bytes));
    faults.heal();
  }
});

describe('a push that another replica finishes', () => {
  /** One piece in the bucket, and what comes with the last request. */
  const [first, last] = [small, randomBytes(50_000)];

  async function begun(): Promise<string> {
    const id = randomUUID();
    await blobs.begin(id);
    await blobs.append(id, chunks(first), { offset: 0 });
    return id;
  }

  async function finish(store: BlobStore, id: string): Promise<string> {
    if ((await store.progress(id)) === first.length)
      await store.append(id, chunks(last), { offset: first.length, closing: true });
    return (await store.finish(id, digestOfBytes(Buffer.concat([first, last])))).key;
  }

  for (const fault of [{ cutAnswerAfter: 40_000 }, { stallAnswerAfter: 40_000 }]) {
    const [how] = Object.keys(fault);
    it(`goes on where a piece broke off once, and tells where it does again and again: ${how}`, async () => {
      const other = await openS3Store(options({ patience: 'stallAnswerAfter' in fault ? impatience : patience }));
      try {
        const id = await begun();
        breakOperation('GetObject', fault, 1);
        assert.ok((await read(blobs, await finish(other, id))).equals(Buffer.concat([first, last])));
        const again = await begun();
        breakOperation('GetObject', fault);
        assert.equal((await failure(finish(other, again))).kind, 'io');
        faults.heal();
        assert.ok((await read(blobs, await finish(other, again))).equals(Buffer.concat([first, last])));
      } finally {
        await other.close();
      }
    });
  }
});

describe('a pull', () => {
  it('goes on where the stream broke or stopped', async () => {
    const key = await upload(blobs, large);
    for (const fault of [{ cutAnswerAfter: 1_500_000 }, { stallAnswerAfter: 1_500_000 }, { cutAnswerAfter: 0 }]) {
      const store = storeFor(fault);
      breakOperation('GetObject', fault, 2);
      assert.ok((await read(store, key)).equals(large));
      breakOperation('GetObject', fault, 2);
      assert.ok((await read(store, key, 1_000_000, 7_000_000)).equals(large.subarray(1_000_000, 7_000_001)));
    }
  });

  it('that breaks again and again fails with what came before, and nothing else', async () => {
    const key = await upload(blobs, large);
    for (const fault of [{ cutAnswerAfter: 100_000 }, { stallAnswerAfter: 100_000 }]) {
      breakOperation('GetObject', fault);
      const reader = await storeFor(fault).open(key, { start: 10, end: large.length - 1 });
      assert.ok(reader !== undefined);
      const sink = new Collector();
      await failure(reader.send(sink, 10, large.length - 1));
      await reader.close();
      assert.ok(sink.bytes.length < large.length - 10);
      assert.ok(sink.bytes.equals(large.subarray(10, 10 + sink.bytes.length)));
    }
  });

  it('tells at once that the bucket cannot be read', async () => {
    const key = await upload(blobs, large);
    for (const [fault, kind] of [
      [slowDown, 'busy'],
      ['hang', 'io'],
    ] as const) {
      breakOperation('GetObject', fault);
      assert.equal((await failure(storeFor(fault).open(key, { start: 0, end: large.length - 1 }))).kind, kind);
      faults.heal();
    }
    assert.ok((await read(blobs, key)).equals(large));
  });

  it('takes an object that is gone or cut short for what it is', async () => {
    const key = await upload(blobs, large);
    await rm(join(bucket.objects, prefix, 'blobs', key));
    assert.equal(await blobs.open(key, { start: 0, end: large.length - 1 }), undefined);
    const other = await upload(blobs, small);
    await writeFile(join(bucket.objects, prefix, 'blobs', other), small.subarray(0, 10));
    for (const wanted of [
      { start: 0, end: small.length - 1 },
      { start: 50, end: 60 },
    ]) {
      const reader = await blobs.open(other, wanted);
      assert.equal(reader?.size, 10);
      await reader?.close();
    }
  });
});

it('listing fails whole, never short', async () => {
  await upload(blobs, small);
  breakOperation('ListObjectsV2', slowDown);
  await failure(Array.fromAsync(blobs.list()));
  await failure(Array.fromAsync(blobs.uploads()));
});

describe('what keeps a bucket from being used is said', () => {
  /** What a registry says that cannot start. */
  const refusal = async (more: Partial<S3Options>) => (await failure(openS3Store(options(more)))).message;
  const folder = async ({ accessKeyId, secretAccessKey }: Credentials) => {
    const path = await mkdtemp(join(tmpdir(), 'ne-credentials-'));
    await writeFile(join(path, 'AWS_ACCESS_KEY_ID'), accessKeyId);
    await writeFile(join(path, 'AWS_SECRET_ACCESS_KEY'), secretAccessKey);
    return path;
  };

  it('when the bucket does not exist', async () => {
    assert.match(await refusal({ bucket: 'nowhere' }), /there is no bucket nowhere at http.*storage\.s3\.bucket/);
  });

  it('when the credentials have no permission, which one', async () => {
    const credentialsDirectory = await folder(await bucket.addUser());
    assert.match(await refusal({ credentialsDirectory }), /refuses the credentials of .*; give them s3:PutObject/);
    await rm(credentialsDirectory, { recursive: true });
  });

  it('when the credentials are wrong or missing', async () => {
    const credentialsDirectory = await folder({ ...bucket.credentials, secretAccessKey: randomUUID() });
    assert.match(await refusal({ credentialsDirectory }), /does not accept the credentials of/);
    await rm(join(credentialsDirectory, 'AWS_SECRET_ACCESS_KEY'));
    assert.match(await refusal({ credentialsDirectory }), /AWS_SECRET_ACCESS_KEY is missing or empty/);
    await rm(credentialsDirectory, { recursive: true });
  });

  it('when the region is another', async () => {
    assert.match(
      await refusal({ region: 'eu-west-1' }),
      /is in .*region.*, not in eu-west-1; correct storage\.s3\.region/,
    );
    faults.break(() => ({ status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-1' } }));
    assert.match(await refusal({}), /is in region eu-west-1, not in us-east-1/);
  });

  it('when the clocks differ', async () => {
    faults.break(() => ({ status: 403, code: 'RequestTimeTooSkewed' }));
    assert.match(await refusal({}), /clock of this machine/);
  });

  it('when nobody is there', async () => {
    assert.match(await refusal({ endpoint: nobody }), /cannot be reached/);
  });

  it('and credentials that are replaced count without a restart', async () => {
    const credentialsDirectory = await folder(bucket.credentials);
    const store = await openS3Store(options({ credentialsDirectory }));
    const { accessKeyId, secretAccessKey } = bucket.credentials;
    await writeFile(join(credentialsDirectory, 'AWS_SECRET_ACCESS_KEY'), randomUUID());
    await new Promise((resolve) => setTimeout(resolve, 5_100));
    assert.match((await failure(store.probe())).message, /does not accept the credentials/);
    await writeFile(join(credentialsDirectory, 'AWS_ACCESS_KEY_ID'), accessKeyId);
    await writeFile(join(credentialsDirectory, 'AWS_SECRET_ACCESS_KEY'), secretAccessKey);
    await store.probe();
    await store.close();
    await rm(credentialsDirectory, { recursive: true });
  });
});

it('a bucket that went down and came back is used again', async () => {
  const key = await upload(blobs, large);
  await bucket.kill();
  await failure(upload(blobs, small));
  await failure(blobs.open(key, { start: 0, end: 10 }));
  await bucket.start();
  assert.ok((await read(blobs, key)).equals(large));
  assert.ok((await read(blobs, await upload(blobs, small))).equals(small));
});
