/** Media types of OCI image-spec v1.1 `media-types.md` and of Docker Image Manifest V2, Schema 2. */
export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociLayoutHeader: 'application/vnd.oci.layout.header.v1+json',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  ociDescriptor: 'application/vnd.oci.descriptor.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
} as const;

/** What a client that takes every manifest sends as `Accept`, one header value per entry. */
export const manifestMediaTypes: readonly string[] = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerManifestList,
  mediaTypes.dockerManifest,
];

const indexes: ReadonlySet<string> = new Set([mediaTypes.ociIndex, mediaTypes.dockerManifestList]);
const imageManifests: ReadonlySet<string> = new Set([mediaTypes.ociManifest, mediaTypes.dockerManifest]);
/** The nondistributable layers of image-spec v1.0 (deprecated since v1.1) and Docker's foreign layers. */
const nonDistributable = /^application\/vnd\.(oci\.image\.layer\.nondistributable\.|docker\.image\.rootfs\.foreign\.)/;

/** An OCI image index or a Docker manifest list. */
export function isIndex(mediaType: string): boolean {
  return indexes.has(mediaType);
}

/** An OCI image manifest or a Docker schema 2 manifest. */
export function isImageManifest(mediaType: string): boolean {
  return imageManifests.has(mediaType);
}

/** A layer that its publisher does not let registries hand on: it may be missing in a registry. */
export function isNonDistributable(mediaType: string): boolean {
  return nonDistributable.test(mediaType);
}

/** RFC 6838 §4.2 allows 127 characters on each side of the slash. */
const longestType = 255;

/**
 * Whether `text` can name a type: short enough to be listed, and without control characters. Looser than the grammar of
 * RFC 6838, because artifact types in the wild are.
 */
export function isTypeName(text: string): boolean {
  return text.length <= longestType && !/\p{Cc}/u.test(text);
}
