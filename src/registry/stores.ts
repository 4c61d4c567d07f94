import { mkdirSync } from 'node:fs';
import { openSqlite } from './metadata/sqlite/open.ts';
import type { MetadataStore, StoreError } from './metadata/store.ts';
import { unusableDirectory } from './storage/filesystem/faults.ts';
import { FilesystemStore } from './storage/filesystem.ts';
import type { BlobStore } from './storage/store.ts';

export interface OpenStoresOptions {
  /** Holds everything: `metadata.db`, `uploads/`, `blobs/`. Made where it is missing. */
  readonly dataDir: string;
  /** Free bytes that uploads must leave alone, so that deletes still work. */
  readonly reserveBytes: number;
  /**
   * `serve` (default): writes on a thread, the directory is locked. `offline`: writes in process, the directory is locked.
   * `read`: metadata is read-only and may be opened beside a running registry.
   */
  readonly mode?: 'serve' | 'offline' | 'read';
  /** The metadata writer died: log it and end the process with an error. Nothing can be written any more. */
  readonly onDeath: (error: StoreError) => void;
}

export interface Stores {
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  /** Lets accepted writes finish, then gives the directory free. */
  close(): Promise<void>;
}

/** Opens the embedded stores of a data directory. Throws StoreError that says what is wrong and what to do. */
export async function openStores(options: OpenStoresOptions): Promise<Stores> {
  const { dataDir: directory, reserveBytes, mode = 'serve', onDeath } = options;
  if (mode !== 'read') makeDirectory(directory);
  const blobs = await FilesystemStore.open({ directory, reserveBytes, readOnly: mode === 'read' });
  try {
    const metadata = await openSqlite({ directory, mode, onDeath });
    return { metadata, blobs, close: () => closeAll(metadata, blobs) };
  } catch (error) {
    await blobs.close();
    throw error;
  }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
  } catch (error) {
    throw unusableDirectory(directory, error);
  }
}

async function closeAll(metadata: MetadataStore, blobs: BlobStore): Promise<void> {
  await blobs.close();
  await metadata.close();
}
