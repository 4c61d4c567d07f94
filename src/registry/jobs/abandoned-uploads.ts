import type { MetadataStore } from '../metadata/store.ts';
import type { BlobStore } from '../storage/store.ts';

export interface SweepParts {
  readonly metadata: Pick<MetadataStore, 'staleUploads' | 'deleteUpload'>;
  readonly blobs: Pick<BlobStore, 'uploads' | 'cancel'>;
}

/** Uploads looked up at once. */
const batch = 1000;

/**
 * Drops uploads that saw no byte since `before` (ms since the epoch): their bytes first, then their row, so that a crash in
 * between leaves a row that the next sweep drops. Bytes of an upload that has no row any more go too.
 * @returns how many were dropped
 */
export async function sweepAbandonedUploads(
  { metadata, blobs }: SweepParts,
  before: number,
  signal: AbortSignal,
): Promise<number> {
  const recent = new Set<string>();
  const silent: string[] = [];
  for await (const { id, modifiedAt } of blobs.uploads()) {
    if (modifiedAt >= before) recent.add(id);
    else silent.push(id);
  }
  for (const id of silent) {
    signal.throwIfAborted();
    await blobs.cancel(id);
    await metadata.deleteUpload(id);
  }
  const rows = await metadata.staleUploads(before, batch);
  const orphans = rows.filter(({ id }) => !recent.has(id) && !silent.includes(id));
  for (const { id } of orphans) await metadata.deleteUpload(id);
  return silent.length + orphans.length;
}
