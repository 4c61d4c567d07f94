import { contentSizeOf, readManifest } from '../../../domain/oci/manifest.ts';
import type { ExportedRow } from '../../metadata/recovery.ts';

type Facts = Pick<
  Extract<ExportedRow, { row: 'manifest' }>,
  'mediaType' | 'edges' | 'subject' | 'artifactType' | 'annotations' | 'contentSize'
>;

/** Characters of annotations that a list of referrers repeats. */
const longestListed = 64 * 1024;

/** What the metadata keeps of a manifest beside its bytes, from the bytes. Throws InvalidManifest. */
export function factsOf(bytes: Uint8Array, mediaType: string): Facts {
  const manifest = readManifest(bytes, mediaType);
  const { config, layers, children, subject, artifactType, annotations } = manifest;
  const edges = [
    ...(config ? [{ kind: 'config' as const, digest: config.digest }] : []),
    ...layers.map(({ digest }) => ({ kind: 'layer' as const, digest })),
    ...children.map(({ digest }) => ({ kind: 'child' as const, digest })),
    ...(subject ? [{ kind: 'subject' as const, digest: subject.digest }] : []),
  ];
  return {
    mediaType,
    edges,
    contentSize: contentSizeOf(manifest, bytes.byteLength),
    ...(subject && { subject: subject.digest }),
    ...(artifactType && { artifactType }),
    ...(subject && annotations && lengthOf(annotations) <= longestListed && { annotations: { ...annotations } }),
  };
}

function lengthOf(annotations: Readonly<Record<string, string>>): number {
  return Object.entries(annotations).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
}
