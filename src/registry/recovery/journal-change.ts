import type { Digest } from '../../domain/oci/digest.ts';
import { readManifest } from '../../domain/oci/manifest.ts';
import type { ChangeRow, MetadataStore } from '../metadata/store.ts';
import type { JournalChange, NamedBlob } from './rows.ts';

/**
 * A change with all that is needed to make it again: of a manifest its bytes, and which of its blobs the repository saw. A
 * manifest that is gone already is told of by a later change.
 */
export async function journalChange(
  metadata: Pick<MetadataStore, 'manifestBytes' | 'blob'>,
  change: ChangeRow,
): Promise<JournalChange> {
  const { kind, repository, digest } = change;
  if (kind !== 'manifest-put' || digest === undefined) return { row: 'change', ...change };
  const found = await metadata.manifestBytes(repository, { digest });
  if (found === undefined) return { row: 'change', ...change };
  const { mediaType, bytes } = found;
  const looked = await Promise.all(blobsNamedBy(bytes, mediaType).map((blob) => metadata.blob(repository, blob)));
  const blobs: NamedBlob[] = looked.flatMap((row) => row ?? []);
  return { row: 'change', ...change, manifest: { mediaType, bytes, blobs } };
}

function blobsNamedBy(bytes: Uint8Array, mediaType: string): Digest[] {
  const { config, layers } = readManifest(bytes, mediaType);
  return [...new Set([...(config ? [config.digest] : []), ...layers.map(({ digest }) => digest)])];
}
