import type { RegistryBootstrap } from '../api/bootstrap/v1alpha1.ts';
import { dataDirectoryOf } from './config.ts';
import type { MetadataStore } from './metadata/store.ts';
import type { BlobStore } from './storage/store.ts';

export interface Stores {
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  /** Bytes that uploads must leave free, from now on. */
  setReserve(bytes: number): void;
  /** For how long bytes stay after their last name is gone, milliseconds. */
  readonly removalDelay: number;
  close(): Promise<void>;
}

export interface StoresOptions {
  /** `serve`: as a registry. `offline`: keeps every other writer off. `read`: changes nothing, also beside a registry. */
  readonly mode: 'serve' | 'offline' | 'read';
  readonly onDeath: (error: Error) => void;
}

/** What of a document says where things are kept. */
export type Places = Pick<RegistryBootstrap, 'storage' | 'metadata'> & {
  readonly limits: Pick<RegistryBootstrap['limits'], 'reserveBytes'>;
};

/**
 * Opens the stores that a document names. Only what is used is loaded: memory is a feature.
 * Throws StoreError that says what is wrong with which, and what to do.
 */
export async function openStores(document: Places, options: StoresOptions): Promise<Stores> {
  // The blobs first: on a file system they make the directory, and say plainly what is wrong with it.
  const { blobs, setReserve } = await openBlobs(document, options);
  try {
    const metadata = await openMetadata(document, options);
    return {
      metadata,
      blobs,
      setReserve,
      removalDelay: removalDelayOf(document),
      close: () => closeAll(metadata, blobs),
    };
  } catch (error) {
    await blobs.close();
    throw error;
  }
}

/** The blobs alone. */
export async function openBlobs({ storage, limits, metadata }: Places, { mode }: Pick<StoresOptions, 'mode'>) {
  const readOnly = mode === 'read';
  if (storage.filesystem !== undefined) {
    const { FilesystemStore } = await import('./storage/filesystem.ts');
    const { path: directory } = storage.filesystem;
    const blobs = await FilesystemStore.open({ directory, reserveBytes: limits.reserveBytes, readOnly });
    return { blobs, setReserve: (bytes: number) => blobs.setReserve(bytes) };
  }
  if (storage.s3 === undefined) throw new Error('the document names no storage, which its schema refuses');
  const { openS3Store } = await import('./storage/s3.ts');
  return {
    blobs: await openS3Store({ ...storage.s3, readOnly, replicas: metadata.postgres !== undefined }),
    setReserve: () => undefined,
  };
}

/** The metadata alone. */
export async function openMetadata(document: Places, { mode, onDeath }: StoresOptions): Promise<MetadataStore> {
  const { postgres } = document.metadata;
  const removalDelay = removalDelayOf(document);
  if (postgres !== undefined) {
    const { openPostgres } = await import('./metadata/postgres/open.ts');
    return openPostgres({ ...postgres, mode, removalDelay });
  }
  const directory = document.metadata.sqlite?.path ?? dataDirectoryOf(document);
  if (directory === undefined) throw new Error('the document names no place for SQLite, which its schema refuses');
  const { openSqlite } = await import('./metadata/sqlite/open.ts');
  return openSqlite({ directory, mode, onDeath, removalDelay });
}

/** Readers have looked the key up already, and URLs were given out that hold for a while. An open file outlives its name. */
function removalDelayOf({ storage }: Places): number {
  if (storage.s3 === undefined) return 0;
  const { mode, expirySeconds } = storage.s3.redirects;
  return 60_000 + (mode === 'Presigned' ? expirySeconds * 1000 : 0);
}

/** The metadata last: what the blob store still does may be noted there. */
async function closeAll(metadata: MetadataStore, blobs: BlobStore): Promise<void> {
  try {
    await blobs.close();
  } finally {
    await metadata.close();
  }
}
