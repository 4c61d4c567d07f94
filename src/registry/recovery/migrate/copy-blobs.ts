import { randomUUID } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { Refusal } from '../../../domain/errors.ts';
import type { Digest } from '../../../domain/oci/digest.ts';
import type { BlobRow, MetadataStore } from '../../metadata/store.ts';
import type { BlobReader, BlobStore } from '../../storage/store.ts';
import type { CopiedBlobs } from './copied.ts';

/** Blobs under way at once. */
const LANES = 4;
/** Rows read at once. */
const PAGE = 500;

export interface CopyParts {
  readonly metadata: Pick<MetadataStore, 'blobs'>;
  readonly from: Pick<BlobStore, 'open'>;
  readonly to: Pick<BlobStore, 'begin' | 'append' | 'finish' | 'cancel'>;
  readonly copied: CopiedBlobs;
  onProgress(done: { blobs: number; bytes: number }): void;
}

export interface DamagedBlob {
  readonly digest: Digest;
  readonly problem: string;
}

export interface CopyResult {
  readonly blobs: number;
  readonly bytes: number;
  /** Were in the target already. */
  readonly skipped: number;
  readonly damaged: readonly DamagedBlob[];
}

/** Copies every blob that the target does not have yet; the target verifies each against its digest. */
export async function copyBlobs(parts: CopyParts): Promise<CopyResult> {
  const damaged: DamagedBlob[] = [];
  const done = { blobs: 0, bytes: 0, skipped: 0 };
  const rows = allBlobs(parts.metadata);
  const lane = async () => {
    for (let next = await rows.next(); next.done !== true; next = await rows.next()) {
      const row = next.value;
      if (parts.copied.get(row.digest) !== undefined) done.skipped += 1;
      else {
        const problem = await copy(row, parts);
        if (problem !== undefined) damaged.push({ digest: row.digest, problem });
      }
      done.blobs += 1;
      done.bytes += row.size;
      parts.onProgress(done);
    }
  };
  try {
    await Promise.all(Array.from({ length: LANES }, lane));
  } finally {
    // What was copied counts, also where another blob could not be.
    await parts.copied.save();
  }
  return { ...done, damaged };
}

async function* allBlobs(metadata: CopyParts['metadata']): AsyncGenerator<BlobRow> {
  let last: Digest | undefined;
  for (;;) {
    const rows = await metadata.blobs({ limit: PAGE, ...(last && { last }) });
    yield* rows;
    last = rows.at(-1)?.digest;
    if (last === undefined) return;
  }
}

/** @returns what is wrong with the bytes in the source. Rejects where a store fails. */
async function copy({ digest, size, key }: BlobRow, { from, to, copied }: CopyParts): Promise<string | undefined> {
  const reader = await from.open(key);
  if (reader === undefined) return `its bytes are missing (key ${key})`;
  const id = randomUUID();
  try {
    if (reader.size !== size) return `has ${reader.size} bytes and should have ${size} (key ${key})`;
    await to.begin(id, { alone: true });
    await to.append(id, bytesOf(reader), { offset: 0, closing: true });
    const stored = await to.finish(id, digest);
    await copied.note({ digest, key: stored.key, size: stored.size });
    return undefined;
  } catch (error) {
    if (error instanceof Refusal && error.code === 'DIGEST_INVALID')
      return `its bytes do not have its digest (key ${key})`;
    await to.cancel(id).catch(() => undefined);
    throw error;
  } finally {
    await reader.close();
  }
}

async function* bytesOf(reader: BlobReader): AsyncGenerator<Uint8Array> {
  if (reader.size === 0) return;
  const sink = new PassThrough();
  const sending = reader.send(sink, 0, reader.size - 1).then(
    () => sink.end(),
    (error: unknown) => sink.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  yield* sink as AsyncIterable<Uint8Array>;
  await sending;
}
