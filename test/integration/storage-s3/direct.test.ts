/** Bytes that go past the SDK, to the bucket and from it, are those that were given, with TLS and without, also from a client that takes its time. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Bucket } from '../../../src/registry/storage/s3/bucket.ts';
import { Multipart, type Part } from '../../../src/registry/storage/s3/multipart.ts';
import { startBucket } from '../../programs/bucket.ts';
import { writeCertificate } from '../auth/certificate.ts';

const name = "a b/c!'(*)+é";
const bytes = randomBytes(7_000_003);

async function assertFetched(bucket: Bucket, range?: { start: number; end: number }): Promise<void> {
  const content = await bucket.pieces(name, range);
  assert.ok(content?.lent, 'the SDK was asked');
  assert.equal(content.size, bytes.length);
  const got: Buffer[] = [];
  for await (const piece of content.body) {
    if (got.length % 10 === 0) await sleep(3);
    got.push(Buffer.from(piece));
  }
  const { start, end } = range ?? { start: 0, end: bytes.length - 1 };
  assert.ok(Buffer.concat(got).equals(bytes.subarray(start, end + 1)));
}

/** Names of the commands that the SDK itself sends from now on. */
function sentBySdk(bucket: Bucket): string[] {
  const names: string[] = [];
  bucket.client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        names.push(commandName ?? '');
        return next(args);
      },
    { step: 'finalizeRequest', name: 'sent' },
  );
  return names;
}

/** The second part comes piece by piece, as one does that is read back from the bucket. */
async function assertStoredInParts(bucket: Bucket): Promise<void> {
  const multipart = new Multipart(bucket);
  const target = { name: 'in/parts', id: await multipart.create('in/parts', {}) };
  const cut = 5 * 1024 * 1024 + 1;
  const slowly = async function* (all: Buffer) {
    for (let at = 0; at < all.length; at += 300_000) {
      await sleep(1);
      yield all.subarray(at, at + 300_000);
    }
  };
  const [first, second] = [bytes.subarray(0, cut), bytes.subarray(cut)];
  const parts = [
    await multipart.upload({ ...target, number: 1 }, { length: first.length, bytes: () => [first] }),
    await multipart.upload({ ...target, number: 2 }, { length: second.length, bytes: () => slowly(second) }),
  ];
  assert.ok(await multipart.complete(target, parts as Part[]));
  const stored = await bucket.pieces(target.name);
  const got: Buffer[] = [];
  for await (const piece of stored?.body ?? []) got.push(Buffer.from(piece));
  assert.ok(Buffer.concat(got).equals(bytes));
}

for (const encrypted of [false, true]) {
  it(`whole and in part, ${encrypted ? 'with' : 'without'} TLS`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'ne-direct-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    writeCertificate(folder, 'bucket');
    const tls = { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };
    setDefaultCACertificates([...getCACertificates(), await readFile(tls.certFile, 'utf8')]);
    const server = await startBucket(encrypted ? { tls } : {});
    t.after(() => server.stop());
    const bucket = new Bucket({ ...server.place, prefix: '', caFile: tls.certFile });
    t.after(() => bucket.close());
    const asked = sentBySdk(bucket);
    await bucket.putBytes(name, bytes, { StorageClass: 'STANDARD' });
    await assertStoredInParts(bucket);
    assert.deepEqual(asked, ['CreateMultipartUploadCommand', 'CompleteMultipartUploadCommand']);
    for (let round = 0; round < 3; round++) {
      const ranges = [undefined, { start: 0, end: 0 }, { start: 100_001, end: 6_999_999 }];
      await Promise.all(ranges.map((range) => assertFetched(bucket, range)));
    }
    assert.equal(await bucket.pieces('nothing'), undefined);
  });
}
