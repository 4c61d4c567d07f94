import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { algorithmOf, type Digest, hexOf } from '../../domain/oci/digest.ts';
import type { BlobRow, MetadataStore } from '../metadata/store.ts';
import type { BlobReader, BlobStore } from '../storage/store.ts';

/** Something that is not as it should be, and what to do. */
export interface Finding {
  readonly what: 'database' | 'manifest' | 'blob';
  /** `repository@digest`, a blob's digest, or a file. */
  readonly where: string;
  readonly problem: string;
  readonly remedy: string;
}

export interface CheckResult {
  readonly manifests: number;
  readonly blobs: number;
  /** Bytes of blobs that were read and hashed. */
  readonly rehashedBytes: number;
  readonly findings: readonly Finding[];
}

export interface CheckOptions {
  readonly metadata: Pick<MetadataStore, 'manifests' | 'blobs' | 'quarantined'>;
  readonly blobs: Pick<BlobStore, 'open'>;
  /** Read every blob and compare its digest. */
  readonly rehash: boolean;
  readonly onProgress: (done: { manifests: number; blobs: number }) => void;
}

/** Rows read at once: manifests come with their bytes. */
const page = { manifests: 20, blobs: 500 };

const remedies = {
  manifest: 'delete this digest and push the image again, or restore the newest backup',
  blob: 'push an image that has this layer again, which heals it, or restore the newest backup',
  quarantined: 'the scrubber puts it back where its bytes are right; otherwise push an image that has this layer again',
};

/** Compares what the metadata says with the bytes. Reads only. */
export async function check(options: CheckOptions): Promise<CheckResult> {
  const findings: Finding[] = [];
  const done = { manifests: 0, blobs: 0 };
  let rehashedBytes = 0;
  for await (const { repository, digest, bytes, size } of allManifests(options.metadata)) {
    const problem = manifestProblem(digest, bytes, size);
    const where = `${repository}@${digest}`;
    if (problem !== undefined) findings.push({ what: 'manifest', where, problem, remedy: remedies.manifest });
    done.manifests++;
    options.onProgress(done);
  }
  for await (const row of allBlobs(options.metadata)) {
    const problem = await blobProblem(row, options);
    if (problem !== undefined) findings.push({ what: 'blob', where: row.digest, problem, remedy: remedies.blob });
    else if (options.rehash) rehashedBytes += row.size;
    done.blobs++;
    options.onProgress(done);
  }
  const told = new Set(findings.map(({ where }) => where));
  for await (const { digest, damage, key } of allQuarantined(options.metadata)) {
    if (told.has(digest)) continue;
    const problem = `is out of service, because it was ${damage} (key ${key})`;
    findings.push({ what: 'blob', where: digest, problem, remedy: remedies.quarantined });
  }
  return { ...done, rehashedBytes, findings };
}

async function* allManifests(metadata: CheckOptions['metadata']) {
  let last: { repository: string; digest: Digest } | undefined;
  for (;;) {
    const rows = await metadata.manifests({ limit: page.manifests, ...(last && { last }) });
    yield* rows;
    last = rows.at(-1);
    if (last === undefined) return;
  }
}

async function* allQuarantined(metadata: CheckOptions['metadata']) {
  let last: Digest | undefined;
  for (;;) {
    const rows = await metadata.quarantined({ limit: page.blobs, ...(last && { last }) });
    yield* rows;
    last = rows.at(-1)?.digest;
    if (last === undefined) return;
  }
}

async function* allBlobs(metadata: CheckOptions['metadata']) {
  let last: Digest | undefined;
  for (;;) {
    const rows = await metadata.blobs({ limit: page.blobs, ...(last && { last }) });
    yield* rows;
    last = rows.at(-1)?.digest;
    if (last === undefined) return;
  }
}

function manifestProblem(digest: Digest, bytes: Uint8Array, size: number): string | undefined {
  if (bytes.length !== size) return `has ${bytes.length} bytes and should have ${size}`;
  const found = createHash(algorithmOf(digest)).update(bytes).digest('hex');
  return found === hexOf(digest) ? undefined : 'its bytes do not have its digest';
}

async function blobProblem(row: BlobRow, { blobs, rehash }: CheckOptions): Promise<string | undefined> {
  let reader: BlobReader | undefined;
  try {
    reader = await blobs.open(row.key);
    if (reader === undefined) return `its bytes are missing (key ${row.key})`;
    if (reader.size !== row.size) return `has ${reader.size} bytes and should have ${row.size} (key ${row.key})`;
    if (!rehash) return undefined;
    return (await hexOfReader(reader, row.digest)) === hexOf(row.digest)
      ? undefined
      : `its bytes do not have its digest (key ${row.key})`;
  } catch (error) {
    return `cannot be read (key ${row.key}): ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await reader?.close();
  }
}

async function hexOfReader(reader: BlobReader, digest: Digest): Promise<string> {
  const hash = createHash(algorithmOf(digest));
  const sink = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      hash.update(chunk);
      done();
    },
  });
  if (reader.size > 0) await reader.send(sink, 0, reader.size - 1);
  return hash.digest('hex');
}
