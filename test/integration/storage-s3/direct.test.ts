/** Bytes that are fetched past the SDK are those that were stored, with TLS and without, also from a client that takes its time. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Bucket } from '../../../src/registry/storage/s3/bucket.ts';
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
    await bucket.putBytes(name, bytes);
    for (let round = 0; round < 3; round++) {
      const ranges = [undefined, { start: 0, end: 0 }, { start: 100_001, end: 6_999_999 }];
      await Promise.all(ranges.map((range) => assertFetched(bucket, range)));
    }
    assert.equal(await bucket.pieces('nothing'), undefined);
  });
}
