import type { Digest } from '../../../domain/oci/digest.ts';
import type { ExportedRow, Recovery } from '../../metadata/recovery.ts';
import type { MetadataStore } from '../../metadata/store.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { BlobStore } from '../../storage/store.ts';
import { firstDifference } from './compare.ts';
import { CopiedBlobs } from './copied.ts';
import { type CopyResult, copyBlobs } from './copy-blobs.ts';

export interface MigrateParts {
  readonly from: { readonly metadata: MetadataStore; readonly blobs: BlobStore };
  readonly to: {
    readonly blobs: BlobStore;
    /** What is remembered between two runs. */
    readonly records: RecordStore;
    /** Puts rows into the metadata, which is empty. */
    import(rows: AsyncIterable<ExportedRow>): Promise<void>;
    /** The metadata as it is then. */
    export(): AsyncIterable<ExportedRow>;
  };
  readonly allowDamaged: boolean;
  onBlobs(done: { blobs: number; bytes: number }, total: { blobs: number; bytes: number }): void;
  onPhase(name: 'copying blobs' | 'writing metadata' | 'comparing'): void;
}

export interface MigrateResult extends CopyResult {
  /** Nothing was put into the target's metadata, because bytes are damaged. */
  readonly stopped: boolean;
  /** Where source and target differ afterwards, which they must not. */
  readonly difference?: string;
}

/** Copies blobs, then metadata with the keys that the blobs have in the target, then compares both. The source is only read. */
export async function migrate(parts: MigrateParts): Promise<MigrateResult> {
  const { from, to, onPhase } = parts;
  onPhase('copying blobs');
  const copied = await CopiedBlobs.load(to.records, await keysOf(to.blobs));
  const { blobs, blobBytes } = await from.metadata.statistics();
  const total = { blobs, bytes: blobBytes };
  const onProgress = (done: { blobs: number; bytes: number }) => parts.onBlobs(done, total);
  const result = await copyBlobs({ metadata: from.metadata, from: from.blobs, to: to.blobs, copied, onProgress });
  if (result.damaged.length > 0 && !parts.allowDamaged) return { ...result, stopped: true };
  onPhase('writing metadata');
  await to.import(moved(from.metadata, copied));
  onPhase('comparing');
  const difference =
    (await missingBytes(to, copied)) ?? (await firstDifference(moved(from.metadata, copied), to.export()));
  return { ...result, stopped: false, ...(difference !== undefined && { difference }) };
}

async function keysOf(blobs: Pick<BlobStore, 'list'>): Promise<Map<string, number>> {
  const keys = new Map<string, number>();
  for await (const { key, size } of blobs.list()) keys.set(key, size);
  return keys;
}

/** Everything, with the target's keys; blobs that could not be copied are left out with who saw them. */
async function* moved(metadata: Pick<Recovery, 'export'>, copied: CopiedBlobs): AsyncGenerator<ExportedRow> {
  const left = new Set<Digest>();
  for await (const row of metadata.export()) {
    if (row.row === 'visible' && left.has(row.digest)) continue;
    const bytes = row.row === 'blob' ? copied.get(row.digest) : undefined;
    if (row.row !== 'blob') yield row;
    else if (bytes === undefined) left.add(row.digest);
    else yield { row: 'blob', digest: row.digest, size: row.size, key: bytes.key, createdAt: row.createdAt };
  }
}

async function missingBytes(
  { blobs, export: rows }: MigrateParts['to'],
  copied: CopiedBlobs,
): Promise<string | undefined> {
  const keys = await keysOf(blobs);
  for await (const row of rows()) {
    if (row.row === 'visible') return undefined;
    if (row.row === 'blob' && keys.get(row.key) !== copied.get(row.digest)?.size)
      return `the bytes of blob ${row.digest} are not in the target (key ${row.key})`;
  }
  return undefined;
}
