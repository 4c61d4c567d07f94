import { createHash } from 'node:crypto';
import { type Digest, digestOf, isDigest } from '../../domain/oci/digest.ts';
import type { Descriptor } from '../../domain/oci/manifest.ts';
import { mediaTypes } from '../../domain/oci/media-types.ts';
import { type FileTree, readWhole } from '../archive/file-tree.ts';
import { TransferError } from '../errors.ts';
import { type ManifestBytes, manifestFrom } from '../registry/manifests.ts';
import type { ImageSource } from './image.ts';

interface ArchivedImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

const maxConfigBytes = 16 * 1_048_576;

/**
 * An image as `docker save` writes it: `manifest.json` beside the layers as plain tar files. It holds no OCI manifest, so
 * one is made: deterministic, with the layers as they are (their digest is the diff ID, which the config vouches for).
 */
export class DockerArchiveSource implements ImageSource {
  readonly name: string;
  readonly #tree: FileTree;
  readonly #images: readonly ArchivedImage[];
  readonly #files = new Map<Digest, string>();
  readonly #manifests = new Map<Digest, ManifestBytes>();

  constructor(tree: FileTree, images: readonly ArchivedImage[]) {
    this.name = tree.name;
    this.#tree = tree;
    this.#images = images;
  }

  static async open(tree: FileTree): Promise<DockerArchiveSource> {
    const bytes = await readWhole(tree, 'manifest.json', maxConfigBytes);
    return new DockerArchiveSource(tree, archivedImages(bytes, tree.name));
  }

  /** Makes the manifest of the image called `name`, or of the only one. @throws TransferError `NotFound` */
  async choose(name: string | undefined): Promise<Digest> {
    const named = this.#images.find((image) => name !== undefined && image.RepoTags.includes(name));
    const image = named ?? (this.#images.length === 1 ? this.#images[0] : undefined);
    if (image === undefined) {
      const names = this.#images.flatMap((one) => one.RepoTags);
      throw new TransferError(
        'NotFound',
        `${this.name}: holds ${this.#images.length} images; name one with --image: ${names.join(', ') || 'none has a name'}`,
      );
    }
    const manifest = await this.#make(image);
    this.#manifests.set(manifest.digest, manifest);
    return manifest.digest;
  }

  async manifest(reference: string): Promise<ManifestBytes> {
    const manifest = this.#manifests.get(isDigest(reference) ? reference : await this.choose(reference));
    if (manifest === undefined) throw new TransferError('NotFound', `${this.name}: has no manifest ${reference}`);
    return manifest;
  }

  blob({ digest }: Descriptor, offset: number): AsyncIterable<Buffer> {
    return this.#tree.read(this.#files.get(digest) ?? digest, offset);
  }

  async referrers(): Promise<readonly Descriptor[]> {
    return [];
  }

  async whileReading<T>(_signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return await work();
  }

  async close(): Promise<void> {
    await this.#tree.close();
  }

  async #make(image: ArchivedImage): Promise<ManifestBytes> {
    const configBytes = await readWhole(this.#tree, image.Config, maxConfigBytes);
    const config = digestOf('sha256', createHash('sha256').update(configBytes).digest('hex'));
    this.#files.set(config, image.Config);
    const diffIds = diffIdsOf(configBytes, image, this.name);
    const layers: object[] = [];
    for (const [position, file] of image.Layers.entries())
      layers.push(await this.#layer(file, diffIds[position] as Digest));
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: mediaTypes.ociConfig, digest: config, size: configBytes.length },
      layers,
    };
    return manifestFrom(Buffer.from(JSON.stringify(manifest)), mediaTypes.ociManifest, this.name);
  }

  /** A layer that somebody compressed has another digest than its diff ID: it is hashed, and named for what it is. */
  async #layer(file: string, diffId: Digest): Promise<object> {
    const size = await this.#tree.size(file);
    if (size === undefined)
      throw new TransferError('NotFound', `${this.name}: manifest.json names the layer ${file}, which is not there`);
    const gzip = await this.#startsLikeGzip(file);
    const digest = gzip ? await this.#hash(file) : diffId;
    this.#files.set(digest, file);
    return { mediaType: gzip ? mediaTypes.ociLayerGzip : mediaTypes.ociLayer, digest, size };
  }

  async #startsLikeGzip(file: string): Promise<boolean> {
    for await (const chunk of this.#tree.read(file, 0)) return chunk[0] === 0x1f && chunk[1] === 0x8b;
    return false;
  }

  async #hash(file: string): Promise<Digest> {
    const hash = createHash('sha256');
    for await (const chunk of this.#tree.read(file, 0)) hash.update(chunk);
    return digestOf('sha256', hash.digest('hex'));
  }
}

function archivedImages(bytes: Buffer, name: string): readonly ArchivedImage[] {
  const invalid = () => new TransferError('Invalid', `${name}: manifest.json is not what \`docker save\` writes`);
  let list: unknown;
  try {
    list = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw invalid();
  }
  if (!Array.isArray(list)) throw invalid();
  return list.map((entry: Partial<ArchivedImage> | null) => {
    const strings = (value: unknown): value is string[] =>
      Array.isArray(value) && value.every((item) => typeof item === 'string');
    if (typeof entry?.Config !== 'string' || !strings(entry.Layers)) throw invalid();
    return { Config: entry.Config, Layers: entry.Layers, RepoTags: strings(entry.RepoTags) ? entry.RepoTags : [] };
  });
}

function diffIdsOf(configBytes: Buffer, image: ArchivedImage, name: string): readonly Digest[] {
  let ids: unknown;
  try {
    ids = (JSON.parse(configBytes.toString('utf8')) as { rootfs?: { diff_ids?: unknown } }).rootfs?.diff_ids;
  } catch {
    ids = undefined;
  }
  const list = Array.isArray(ids) ? ids : [];
  if (list.length !== image.Layers.length || !list.every((id) => typeof id === 'string' && isDigest(id))) {
    throw new TransferError(
      'Invalid',
      `${name}: the config ${image.Config} names ${list.length} layers, manifest.json ${image.Layers.length}`,
    );
  }
  return list as Digest[];
}
