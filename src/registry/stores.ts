import type { RegistryBootstrap } from '../api/bootstrap/v1alpha1.ts';
import { openSqlite } from './metadata/sqlite/open.ts';
import type { MetadataStore } from './metadata/store.ts';
import { FilesystemStore } from './storage/filesystem.ts';
import type { BlobStore } from './storage/store.ts';

export interface Stores {
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  /** Bytes that uploads must leave free, from now on. */
  setReserve(bytes: number): void;
  close(): Promise<void>;
}

export interface StoresOptions {
  readonly mode: 'serve' | 'offline' | 'read';
  readonly onDeath: (error: Error) => void;
}

/** Opens the stores that a document names. Throws StoreError that says what is wrong with which, and what to do. */
export async function openStores(
  document: Pick<RegistryBootstrap, 'storage'> & { limits: Pick<RegistryBootstrap['limits'], 'reserveBytes'> },
  { mode, onDeath }: StoresOptions,
): Promise<Stores> {
  const directory = document.storage.filesystem.path;
  const readOnly = mode === 'read';
  // The blobs first: they make the directory, and say plainly what is wrong with it.
  const blobs = await FilesystemStore.open({ directory, reserveBytes: document.limits.reserveBytes, readOnly });
  try {
    const metadata = await openSqlite({ directory, mode, onDeath });
    return { metadata, blobs, setReserve: (bytes) => blobs.setReserve(bytes), close: () => closeAll(metadata, blobs) };
  } catch (error) {
    await blobs.close();
    throw error;
  }
}

/** The metadata last: what the blob store still does may be noted there. */
async function closeAll(metadata: MetadataStore, blobs: BlobStore): Promise<void> {
  try {
    await blobs.close();
  } finally {
    await metadata.close();
  }
}
