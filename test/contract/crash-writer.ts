/**
 * Pushes, retags, deletes and lets images expire as fast as it can, and writes a line for each thing that was acknowledged. Killed by its test.
 * Usage: `node crash-writer.ts DIRECTORY ROUND`.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import type { Digest } from '../../src/domain/oci/digest.ts';
import { openSqlite } from '../../src/registry/metadata/sqlite/open.ts';
import { FilesystemStore } from '../../src/registry/storage/filesystem.ts';
import { by, chunks, digestOfBytes, layer, manifest } from './fixtures.ts';

const [directory = '', round = ''] = process.argv.slice(2);
const blobs = await FilesystemStore.open({ directory, reserveBytes: 0 });
const metadata = await openSqlite({ directory, mode: 'serve', onDeath: () => process.exit(1), reserveBytes: 0 });

/** Straight to the pipe: what was said survives the kill. */
function say(...words: string[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

async function push(repository: string, tag: string): Promise<Digest> {
  const data = randomBytes(200_000);
  const target = digestOfBytes(data);
  const uploadId = randomUUID();
  await metadata.createUpload({ id: uploadId, repository, owner: 'x', startedAt: 1 });
  await blobs.begin(uploadId);
  await blobs.append(uploadId, chunks(data), { offset: 0 });
  const { key, size } = await blobs.finish(uploadId, target);
  const named = await metadata.addBlob({ repository, digest: target, size, key, uploadId, now: 1 });
  if (named !== 'named') throw new Error(named);
  say('blob', repository, target);
  const bytes = Buffer.from(JSON.stringify({ layers: [target], tag }));
  const put = manifest({
    repository,
    digest: digestOfBytes(bytes),
    bytes,
    edges: [layer(target)],
    tags: [tag, 'latest'],
    by: by(1),
  });
  await metadata.putManifest(put);
  say('tag', repository, tag, put.digest);
  return put.digest;
}

async function expire(repository: string, digest: Digest): Promise<void> {
  const images = await metadata.imagesOf(repository, [digest]);
  const batch = { repository, images, by: by(3), policy: 'p', until: 9, inUseRevision: 0 };
  const result = await metadata.expire(batch);
  if (result.outcome !== 'done' || result.expired.length !== 1) throw new Error(JSON.stringify(result));
}

async function work(worker: number): Promise<void> {
  const repository = `crash/w${worker}`;
  for (let n = 0; ; n++) {
    const tag = `r${round}-${n}`;
    const pushed = await push(repository, tag);
    if (n % 3 === 1) {
      say('expiring', repository, tag);
      await expire(repository, pushed);
      say('expired', repository, tag, pushed);
    }
    if (n % 3 !== 0) continue;
    say('deleting', repository, tag);
    await metadata.deleteTag(repository, tag, by(2));
    say('deleted', repository, tag);
  }
}

say('ready');
await Promise.all([0, 1, 2, 3].map(work));
