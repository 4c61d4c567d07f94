import { type Digest, isDigest } from '../../domain/oci/digest.ts';
import { type Descriptor, readManifest } from '../../domain/oci/manifest.ts';
import { isImageManifest, isIndex, mediaTypes } from '../../domain/oci/media-types.ts';
import { type FileTree, readWhole } from '../archive/file-tree.ts';
import { TransferError } from '../errors.ts';
import { type ManifestBytes, manifestFrom, maxManifestBytes } from '../registry/manifests.ts';
import type { ImageSource } from './image.ts';

/** The annotation that names an image in a layout (OCI image-spec v1.1 `annotations.md`). */
export const refName = 'org.opencontainers.image.ref.name';
/** What containerd and Docker write: the whole reference. */
export const containerdName = 'io.containerd.image.name';

/** An image in an OCI layout (image-spec v1.1 `image-layout.md`), in a folder or an archive. */
export class LayoutSource implements ImageSource {
  readonly name: string;
  readonly #tree: FileTree;
  readonly #entries: readonly Descriptor[];

  constructor(tree: FileTree, entries: readonly Descriptor[]) {
    this.name = tree.name;
    this.#tree = tree;
    this.#entries = entries;
  }

  static async open(tree: FileTree): Promise<LayoutSource> {
    const bytes = await readWhole(tree, 'index.json', maxManifestBytes);
    try {
      // Old tools leave out the media type, and Docker writes one: what else could it be?
      const index = {
        ...(JSON.parse(bytes.toString('utf8')) as object),
        schemaVersion: 2,
        mediaType: mediaTypes.ociIndex,
      };
      return new LayoutSource(tree, readManifest(Buffer.from(JSON.stringify(index)), mediaTypes.ociIndex).children);
    } catch (error) {
      throw new TransferError(
        'Invalid',
        `${tree.name}: index.json is no valid OCI index: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  /**
   * The digest of the image that goes by `name` (a tag or a whole reference), or of the only image there is.
   * @throws TransferError `NotFound` naming what there is
   */
  choose(name: string | undefined): Digest {
    const images = this.#entries.filter((entry) => isIndex(entry.mediaType) || isImageManifest(entry.mediaType));
    const named = images.filter((entry) => name !== undefined && namesOf(entry).includes(name));
    if (named[0] !== undefined) return named[0].digest;
    const digests = new Set(images.filter((entry) => entry.artifactType === undefined).map((entry) => entry.digest));
    const [only] = digests;
    if (only !== undefined && digests.size === 1) return only;
    const names = images.flatMap(namesOf);
    throw new TransferError(
      'NotFound',
      `${this.name}: holds ${digests.size} images${name === undefined ? '' : ` and none is called ${name}`}; name one with --image: ${names.join(', ') || [...digests].join(', ') || 'there is none'}`,
    );
  }

  async manifest(reference: string): Promise<ManifestBytes> {
    const digest = isDigest(reference) ? reference : this.choose(reference);
    const bytes = await readWhole(this.#tree, blobPath(digest), maxManifestBytes);
    const mediaType = this.#entries.find((entry) => entry.digest === digest)?.mediaType;
    return manifestFrom(bytes, mediaType, this.name, digest);
  }

  blob({ digest }: Descriptor, offset: number): AsyncIterable<Buffer> {
    return this.#tree.read(blobPath(digest), offset);
  }

  async referrers(subject: Digest): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = [];
    for (const entry of this.#entries) {
      if (!isIndex(entry.mediaType) && !isImageManifest(entry.mediaType)) continue;
      const manifest = await this.manifest(entry.digest);
      if (manifest.content.subject?.digest === subject) found.push(entry);
    }
    return found;
  }

  async whileReading<T>(_signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return await work();
  }

  async close(): Promise<void> {
    await this.#tree.close();
  }
}

/** Where a layout keeps the bytes of a digest. */
export function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function namesOf(entry: Descriptor): string[] {
  return [entry.annotations?.[refName], entry.annotations?.[containerdName]].filter((name) => name !== undefined);
}
