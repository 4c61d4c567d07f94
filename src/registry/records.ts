import { join } from 'node:path';
import type { RegistryBootstrap } from '../api/bootstrap/v1alpha1.ts';
import type { RecordStore } from './storage/records.ts';

type Target = NonNullable<RegistryBootstrap['backup']>['target'];

/** The journal's place: beside the blobs, so that it survives with them. */
export function openJournalRecords({ storage }: Pick<RegistryBootstrap, 'storage'>): Promise<RecordStore> {
  const { filesystem, s3 } = storage;
  if (filesystem !== undefined) return openFolder(join(filesystem.path, 'journal'));
  if (s3 !== undefined) return openBucket({ ...s3, prefix: `${s3.prefix}journal/` });
  throw new Error('the document names no storage, which its schema refuses');
}

/** The second place, where snapshots go. */
export function openTargetRecords({ filesystem, s3 }: Target): Promise<RecordStore> {
  if (filesystem !== undefined) return openFolder(filesystem.path);
  if (s3 !== undefined) return openBucket(s3);
  throw new Error('the document names no place for backups, which its schema refuses');
}

/** What a migration remembers, in the place that it fills. */
export function openMigrationRecords({ storage }: Pick<RegistryBootstrap, 'storage'>): Promise<RecordStore> {
  const { filesystem, s3 } = storage;
  if (filesystem !== undefined) return openFolder(join(filesystem.path, 'migration'));
  if (s3 !== undefined) return openBucket({ ...s3, prefix: `${s3.prefix}migration/` });
  throw new Error('the document names no storage, which its schema refuses');
}

/** Whole plans of retention policies, beside the blobs: they may be longer than a row should be. */
export function openRetentionRecords({ storage }: Pick<RegistryBootstrap, 'storage'>): Promise<RecordStore> {
  const { filesystem, s3 } = storage;
  if (filesystem !== undefined) return openFolder(join(filesystem.path, 'retention'));
  if (s3 !== undefined) return openBucket({ ...s3, prefix: `${s3.prefix}retention/` });
  throw new Error('the document names no storage, which its schema refuses');
}

/** Records in a folder of this machine, which is made at the first write. Nothing is read yet. */
export async function openFolder(path: string): Promise<RecordStore> {
  const { FolderRecords } = await import('./storage/filesystem/records.ts');
  return new FolderRecords(path);
}

async function openBucket(place: NonNullable<Target['s3']>): Promise<RecordStore> {
  const { openS3Records } = await import('./storage/s3.ts');
  return openS3Records(place);
}
