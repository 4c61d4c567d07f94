/** Images that are made up for tests and pushed piece by piece, without the engine that copies. */
import { createHash, randomBytes } from 'node:crypto';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { mediaTypes } from '../../../src/domain/oci/media-types.ts';
import { writeBlob } from '../../../src/transfer/registry/blob-writer.ts';
import type { RegistryClient } from '../../../src/transfer/registry/client.ts';
import { type ManifestBytes, manifestFrom, putManifest } from '../../../src/transfer/registry/manifests.ts';
import { noteReferrer } from '../../../src/transfer/registry/referrers.ts';

export interface Place {
  readonly client: RegistryClient;
  readonly repository: string;
}

export interface PushedDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

export const oci = {
  manifest: mediaTypes.ociManifest,
  index: mediaTypes.ociIndex,
  config: mediaTypes.ociConfig,
  layer: mediaTypes.ociLayer,
};
export const docker = {
  manifest: mediaTypes.dockerManifest,
  index: mediaTypes.dockerManifestList,
  config: mediaTypes.dockerConfig,
  layer: mediaTypes.dockerLayerGzip,
};
export type Types = typeof oci | typeof docker;

const signal = () => AbortSignal.timeout(240_000);

export async function pushBlob(
  { client, repository }: Place,
  bytes: Buffer,
  mediaType: string,
): Promise<PushedDescriptor> {
  const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const open = async function* (offset: number) {
    yield bytes.subarray(offset);
  };
  await writeBlob(client, { repository, digest, size: bytes.length, open }, signal());
  return { mediaType, digest, size: bytes.length };
}

/** Pushes a manifest under a tag, or its digest alone; a referrer is listed, by whatever means the registry has. */
export async function pushManifest(
  place: Place,
  document: { readonly mediaType: string; readonly [field: string]: unknown },
  tag?: string,
): Promise<PushedDescriptor> {
  const manifest: ManifestBytes = manifestFrom(Buffer.from(JSON.stringify(document)), document.mediaType, 'a test');
  const at = { repository: place.repository, reference: tag ?? manifest.digest };
  const { subjectNoted } = await putManifest(place.client, at, manifest, signal());
  if (!subjectNoted) await noteReferrer(place.client, place.repository, manifest, signal());
  return { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.length };
}

/** An image with layers of random bytes of the given sizes. */
export async function pushImage(
  place: Place,
  layerSizes: readonly number[],
  more: { tag?: string; types?: Types; architecture?: string; layers?: readonly PushedDescriptor[] } = {},
): Promise<PushedDescriptor> {
  const { tag, types = oci, architecture = 'amd64' } = more;
  const layers = [...(more.layers ?? [])];
  for (const size of layerSizes) layers.push(await pushBlob(place, randomBytes(size), types.layer));
  const config = {
    os: 'linux',
    architecture,
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  };
  return await pushManifest(
    place,
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: await pushBlob(place, Buffer.from(JSON.stringify(config)), types.config),
      layers,
    },
    tag,
  );
}

/** An image for two platforms. */
export async function pushIndex(
  place: Place,
  layerSizes: readonly number[],
  more: { tag?: string; types?: Types } = {},
) {
  const { types = oci, tag } = more;
  const platforms = ['amd64', 'arm64'];
  const manifests: object[] = [];
  const children: PushedDescriptor[] = [];
  for (const architecture of platforms) {
    const child = await pushImage(place, layerSizes, { types, architecture });
    children.push(child);
    manifests.push({ ...child, platform: { os: 'linux', architecture } });
  }
  const index = await pushManifest(place, { schemaVersion: 2, mediaType: types.index, manifests }, tag);
  return { index, children };
}

/** A signature, or whatever else refers to a subject. */
export async function pushReferrer(
  place: Place,
  subject: PushedDescriptor,
  artifactType = 'application/vnd.example.signature',
): Promise<PushedDescriptor> {
  const config = await pushBlob(place, Buffer.from('{}'), mediaTypes.ociEmpty);
  const layers = [await pushBlob(place, randomBytes(300), artifactType)];
  return await pushManifest(place, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType,
    config,
    layers,
    subject,
  });
}

/** What most repositories hold: an image, one for two platforms, one of Docker's, and signatures of signatures. */
export async function fill(place: Place, layerBytes = 3_000_000): Promise<{ readonly large: PushedDescriptor }> {
  const large = await pushBlob(place, randomBytes(layerBytes), oci.layer);
  await pushImage(place, [20_000], { tag: 'single', layers: [large] });
  const { index, children } = await pushIndex(place, [layerBytes / 2, 1000], { tag: 'multi' });
  await pushIndex(place, [5000], { tag: 'docker', types: docker });
  const sbom = await pushReferrer(place, children[0] as PushedDescriptor, 'application/vnd.example.sbom');
  await pushReferrer(place, index);
  await pushReferrer(place, sbom);
  return { large };
}
