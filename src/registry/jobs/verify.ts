import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { algorithmOf, type Digest, hexOf } from '../../domain/oci/digest.ts';
import { type BlobRow, StoreError } from '../metadata/store.ts';
import type { BlobReader, BlobStore } from '../storage/store.ts';
import type { Pace } from './pace.ts';

/** Stored bytes against their digest. Damage is what was seen; an I/O error is thrown, since it says nothing about them. */
export type Verdict = { readonly whole: true } | { readonly whole: false; readonly damage: string };

export interface VerifyParts {
  readonly blobs: Pick<BlobStore, 'open' | 'shared'>;
  readonly pace: Pace;
}

/** Bytes that are read in one go: a request each where the store is remote. */
const PIECE = { local: 1024 * 1024, remote: 16 * 1024 * 1024 };

/** `missing` is told apart, because a volume that is not mounted looks like that. */
export const missing: Verdict = { whole: false, damage: 'missing' };

/** Reads stored bytes at the given pace and compares them with their digest. Throws StoreError where they cannot be read now. */
export async function verify(row: BlobRow, { blobs, pace }: VerifyParts): Promise<Verdict> {
  const reader = await blobs.open(row.key);
  if (reader === undefined) return missing;
  try {
    if (reader.size !== row.size) return damaged(`${reader.size} bytes long instead of ${row.size}`);
    const hex = await hexAtPace(reader, row.digest, { pace, piece: blobs.shared ? PIECE.remote : PIECE.local });
    return hex === hexOf(row.digest) ? { whole: true } : damaged('of another digest');
  } catch (error) {
    // The reader says so where the bytes end too early.
    if (error instanceof StoreError && error.kind === 'corrupt') return damaged('cut short');
    throw error;
  } finally {
    await reader.close();
  }
}

function damaged(damage: string): Verdict {
  return { whole: false, damage };
}

async function hexAtPace(
  reader: BlobReader,
  digest: Digest,
  { pace, piece }: { pace: Pace; piece: number },
): Promise<string> {
  const hash = createHash(algorithmOf(digest));
  const sink = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      hash.update(chunk);
      done();
    },
  });
  for (let start = 0; start < reader.size; start += piece) {
    const end = Math.min(start + piece, reader.size) - 1;
    await reader.send(sink, start, end);
    await pace.spent(end - start + 1);
  }
  return hash.digest('hex');
}
