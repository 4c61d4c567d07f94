import { randomUUID } from 'node:crypto';
import { algorithmOf } from '../../../domain/oci/digest.ts';
import type { Descriptor } from '../../../domain/oci/manifest.ts';
import { TransferError } from '../../../transfer/errors.ts';
import { type Hold, holding } from '../../http/upload-hold.ts';
import { type MetadataStore, StoreError } from '../../metadata/store.ts';
import type { BlobStore } from '../../storage/store.ts';
import type { Leftovers } from './leftovers.ts';

export interface OwnStores {
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  /** What reading leaves behind. */
  readonly leftovers: Leftovers;
  /** Milliseconds since the epoch. */
  now(): number;
}

export interface BlobToStore {
  readonly repository: string;
  readonly descriptor: Descriptor;
  /** Who is told to have pushed it. */
  readonly by: string;
  readonly bytes: AsyncIterable<Buffer>;
  /** The chunks are for nobody else: their memory may be freed as soon as they are written. */
  readonly ownsChunks: boolean;
}

/** Stores a blob as a push does: verified, durable, then named. What fails leaves nothing behind. */
export async function storeBlob(stores: OwnStores, blob: BlobToStore, signal: AbortSignal): Promise<void> {
  const { metadata, blobs, now } = stores;
  const id = randomUUID();
  await blobs.begin(id);
  try {
    await metadata.createUpload({ id, repository: blob.repository, owner: blob.by, startedAt: now() });
    await holding(stores, id, async (hold) => await fill(stores, { ...blob, id }, hold, signal));
  } catch (error) {
    // What cannot be cleared away now is found by the sweep of abandoned uploads.
    await blobs.cancel(id).catch(() => undefined);
    await metadata.deleteUpload(id).catch(() => undefined);
    throw error;
  }
}

async function fill(
  { metadata, blobs, now }: OwnStores,
  { repository, descriptor, bytes, ownsChunks, id }: BlobToStore & { id: string },
  hold: Hold,
  signal: AbortSignal,
): Promise<void> {
  const { digest, size: expected } = descriptor;
  const either = hold.signal === undefined ? signal : AbortSignal.any([signal, hold.signal]);
  const { size } = await blobs.append(id, bytes, {
    ...hold,
    offset: 0,
    maxBytes: expected,
    algorithm: algorithmOf(digest),
    closing: true,
    ownsChunks,
    signal: either,
  });
  either.throwIfAborted();
  if (size !== expected)
    throw new TransferError('Corrupt', `${digest} ended after ${size} of ${expected} bytes`).on('source');
  const { key } = await blobs.finish(id, digest, hold);
  const named = await metadata
    .addBlob({ repository, digest, size, key, uploadId: id, now: now() })
    .catch(async (error) => {
      // On a full disk nothing was committed, for certain.
      if (error instanceof StoreError && error.kind === 'full') await blobs.remove(key);
      throw error;
    });
  if (named === 'unknown-upload')
    throw new TransferError('Interrupted', `the upload of ${digest} was given up meanwhile`);
}
