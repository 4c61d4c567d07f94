/** What the metadata keeps of a manifest beside its bytes. Pure. */
import type { RegistryBootstrap } from '../api/bootstrap/v1alpha1.ts';
import { contentSizeOf, type Manifest, mayBeMissing } from '../domain/oci/manifest.ts';
import type { NewEdge, NewManifest } from './metadata/store.ts';

export type ManifestFacts = Pick<
  NewManifest,
  'mediaType' | 'edges' | 'contentSize' | 'subject' | 'artifactType' | 'annotations'
>;

/**
 * The rest of what was parsed is not held on to.
 * @param size of the manifest, bytes
 */
export function factsOf(
  manifest: Manifest,
  size: number,
  content: Pick<RegistryBootstrap['content'], 'missingReferences'>,
): ManifestFacts {
  const { mediaType, subject, artifactType, annotations } = manifest;
  return {
    mediaType,
    edges: edgesOf(manifest, content),
    contentSize: contentSizeOf(manifest, size),
    ...(subject && { subject: subject.digest }),
    ...(artifactType && { artifactType }),
    // Asked for in lists of referrers alone; everybody else reads the bytes.
    ...(subject && annotations && isListable(annotations) && { annotations }),
  };
}

/** Characters of annotations that a list of referrers repeats; larger ones are only in the manifest. */
const longestListed = 64 * 1024;

function isListable(annotations: Readonly<Record<string, string>>): boolean {
  let length = 0;
  for (const [key, value] of Object.entries(annotations)) length += key.length + value.length;
  return length <= longestListed;
}

function edgesOf(
  manifest: Manifest,
  { missingReferences }: Pick<RegistryBootstrap['content'], 'missingReferences'>,
): NewEdge[] {
  const blobs = missingReferences !== 'Allow';
  const children = missingReferences === 'Refuse';
  const edges: NewEdge[] = [];
  if (manifest.config) edges.push({ kind: 'config', digest: manifest.config.digest, required: blobs });
  for (const layer of manifest.layers) {
    edges.push({ kind: 'layer', digest: layer.digest, required: blobs && !mayBeMissing(layer) });
  }
  for (const child of manifest.children) edges.push({ kind: 'child', digest: child.digest, required: children });
  if (manifest.subject) edges.push({ kind: 'subject', digest: manifest.subject.digest, required: false });
  return edges;
}
