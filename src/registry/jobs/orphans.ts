import type { NewRemoval } from '../metadata/reclaiming.ts';
import type { MetadataStore, Millis } from '../metadata/store.ts';
import type { BlobStore, StoredKey } from '../storage/store.ts';
import { pause } from './pause.ts';

export interface OrphanParts {
  readonly metadata: Pick<MetadataStore, 'unaccounted' | 'accountsSince' | 'addRemovals'>;
  readonly blobs: Pick<BlobStore, 'list'>;
  now(): Millis;
}

export interface Orphans {
  /** Keys that became removals. */
  readonly removed: number;
  /** There may be more: memory is bounded. */
  readonly more: boolean;
  /** Keys that nothing accounts for, but that are older than the database: it cannot know whose they are. */
  readonly foreign: number;
}

/** Keys that are looked up at once. */
const BATCH = 200;
/** Orphans of one pass: memory is bounded, and the next pass finds the rest. */
const MOST = 20_000;
/** Milliseconds between two look-ups. */
const BREATH = 5;

/**
 * Bytes that a crash left without a name become removals. Nothing does where the listing fails: what is not known to be
 * complete is no ground to remove anything.
 */
export async function sweepOrphans(parts: OrphanParts, signal: AbortSignal): Promise<Orphans> {
  const { metadata, blobs, now } = parts;
  const since = await metadata.accountsSince();
  const orphans: NewRemoval[] = [];
  let foreign = 0;
  for await (const keys of batches(blobs.list())) {
    for (const { key, size, modifiedAt } of await nameless(metadata, keys)) {
      if (modifiedAt < since) foreign += 1;
      else if (orphans.length < MOST) orphans.push({ key, size, createdAt: 0, now: now() });
    }
    await pause(BREATH, signal);
  }
  for (let at = 0; at < orphans.length; at += BATCH) {
    await metadata.addRemovals(orphans.slice(at, at + BATCH));
    await pause(BREATH, signal);
  }
  return { removed: orphans.length, more: orphans.length === MOST, foreign };
}

async function nameless(metadata: OrphanParts['metadata'], keys: readonly StoredKey[]): Promise<StoredKey[]> {
  const found = new Set(await metadata.unaccounted(keys.map(({ key, uploadId }) => ({ key, uploadId }))));
  return keys.filter(({ key }) => found.has(key));
}

async function* batches<T>(items: AsyncIterable<T>): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
