import type { Digest } from '../../domain/oci/digest.ts';
import type { Descriptor } from '../../domain/oci/manifest.ts';
import { mediaTypes } from '../../domain/oci/media-types.ts';
import type { FileSink } from '../archive/file-sink.ts';
import { DigestCheck } from '../digest-check.ts';
import { TransferError } from '../errors.ts';
import type { BlobOptions, ImageTarget, ManifestBytes } from './image.ts';
import { blobPath, containerdName, refName } from './layout-source.ts';

interface IndexEntry {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Record<string, string>;
}

export interface LayoutTargetOptions {
  /** The whole reference, which containerd and Docker name the image by when they load it. */
  readonly reference?: string;
  /** Also write `manifest.json`, so that `docker load` of any age takes it: for a single image. */
  readonly dockerArchive?: boolean;
}

/** An OCI layout that is being written into a folder or an archive. Its index, which makes it visible, comes last. */
export class LayoutTarget implements ImageTarget {
  readonly name: string;
  readonly takesLent = true;
  readonly #sink: FileSink;
  readonly #options: LayoutTargetOptions;
  readonly #added = new Map<Digest, IndexEntry>();
  readonly #written = new Set<Digest>();
  #tagged: ManifestBytes | undefined;

  constructor(sink: FileSink, options: LayoutTargetOptions = {}) {
    this.name = sink.name;
    this.#sink = sink;
    this.#options = options;
  }

  async hasBlob({ digest }: Descriptor): Promise<boolean> {
    return await this.#sink.has(blobPath(digest));
  }

  /** Files may be left of an older, broken run: only what was written now is known to be whole. */
  async hasManifest(digest: Digest): Promise<boolean> {
    return this.#written.has(digest);
  }

  async tagged(): Promise<undefined> {
    return undefined;
  }

  async writeBlob(descriptor: Descriptor, options: BlobOptions): Promise<'copied'> {
    const check = new DigestCheck(descriptor, options.from ?? this.name);
    const chunks = counted(check.passing(options.open(0), 0), options.onBytes);
    await this.#sink.write(blobPath(descriptor.digest), descriptor.size, chunks);
    return 'copied';
  }

  async writeManifest(manifest: ManifestBytes): Promise<void> {
    if (!this.#written.has(manifest.digest) && !(await this.#sink.has(blobPath(manifest.digest)))) {
      await this.#sink.write(blobPath(manifest.digest), manifest.bytes.length, once(manifest.bytes));
    }
    this.#written.add(manifest.digest);
    // Nothing but the index leads to a referrer.
    if (manifest.content.subject !== undefined) this.#added.set(manifest.digest, entryOf(manifest));
  }

  async tag(tag: string, manifest: ManifestBytes): Promise<void> {
    await this.writeManifest(manifest);
    const { reference } = this.#options;
    const annotations = { [refName]: tag, ...(reference === undefined ? {} : { [containerdName]: reference }) };
    this.#added.set(manifest.digest, { ...entryOf(manifest), annotations });
    this.#tagged = manifest;
  }

  async whileWriting<T>(_signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return await work();
  }

  async finish(outcome: 'complete' | 'failed'): Promise<void> {
    if (outcome === 'failed') return await this.#sink.finish('failed');
    if (this.#options.dockerArchive === true)
      await this.#writeText('manifest.json', JSON.stringify([this.#dockerManifest()]));
    await this.#writeText('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    await this.#writeText('index.json', JSON.stringify(await this.#index()));
    await this.#sink.finish('complete');
  }

  /** What the folder held before stays, but for the names that were given anew. */
  async #index(): Promise<object> {
    const names = new Set([...this.#added.values()].map((entry) => entry.annotations?.[refName]).filter(Boolean));
    const kept = (await this.#existing()).filter((entry) => {
      const name = entry.annotations?.[refName];
      return !this.#added.has(entry.digest) && !(name !== undefined && names.has(name));
    });
    return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [...kept, ...this.#added.values()] };
  }

  async #existing(): Promise<readonly IndexEntry[]> {
    const bytes = await this.#sink.existing('index.json');
    if (bytes === undefined) return [];
    try {
      return (JSON.parse(bytes.toString('utf8')) as { manifests?: IndexEntry[] }).manifests ?? [];
    } catch (error) {
      throw new TransferError('Invalid', `${this.name}: its index.json is damaged; choose another folder`, {
        cause: error,
      });
    }
  }

  #dockerManifest(): object {
    const { config, layers } = this.#tagged?.content ?? { layers: [] };
    if (config === undefined)
      throw new TransferError('Invalid', `${this.name}: a docker-archive holds one image; choose its platform`);
    const { reference } = this.#options;
    return {
      Config: blobPath(config.digest),
      RepoTags: reference === undefined ? null : [reference],
      Layers: layers.map((layer) => blobPath(layer.digest)),
    };
  }

  async #writeText(path: string, text: string): Promise<void> {
    const bytes = Buffer.from(text);
    await this.#sink.write(path, bytes.length, once(bytes));
  }
}

function entryOf(manifest: ManifestBytes): IndexEntry {
  const { artifactType, subject } = manifest.content;
  const type = subject === undefined || artifactType === undefined ? {} : { artifactType };
  return { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.length, ...type };
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function* counted(chunks: AsyncIterable<Buffer>, onBytes?: (done: number) => void): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of chunks) {
    done += chunk.length;
    onBytes?.(done);
    yield chunk;
  }
}
