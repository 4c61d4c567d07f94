import { type Digest, isDigest } from '../../../domain/oci/digest.ts';
import type { Descriptor } from '../../../domain/oci/manifest.ts';
import { TransferError } from '../../../transfer/errors.ts';
import type { BlobOptions, ImageSource, ImageTarget, ManifestBytes } from '../../../transfer/image/image.ts';
import { manifestFrom } from '../../../transfer/registry/manifests.ts';
import { factsOf } from '../../manifest-facts.ts';
import { readVersion, requireReach } from '../../version-headers.ts';
import { ownFault } from './faults.ts';
import { readStored } from './read-blob.ts';
import { type OwnStores, storeBlob } from './write-blob.ts';

/** The host that stands for this registry itself: blobs are mounted from one of its repositories into another. */
export const ownHost = 'this registry';

export interface OwnImageOptions {
  readonly stores: OwnStores;
  readonly repository: string;
  /** Who is told to have pushed what is written. */
  readonly by: string;
  /** Identity of the registry that images come from, where it has one. */
  readonly origin?: string | undefined;
  /** What is written to it is written nowhere else. */
  readonly ownsChunks: boolean;
  /** Children of an index may be left out. */
  readonly sparse?: boolean;
}

const page = 1000;

/** One repository of this very registry: read from its stores and written to them, as durable as a push. Reading is no pull. */
export class OwnImage implements ImageSource, ImageTarget {
  readonly name: string;
  readonly repository: { readonly host: string; readonly name: string };
  readonly #options: OwnImageOptions;
  readonly #path: string;

  constructor(options: OwnImageOptions) {
    this.#options = options;
    this.#path = options.repository;
    this.name = `${ownHost}, ${options.repository}`;
    this.repository = { host: ownHost, name: options.repository };
  }

  async manifest(reference: string, signal: AbortSignal): Promise<ManifestBytes> {
    const found = await this.#named(signal, async () =>
      this.#metadata.manifestBytes(this.#path, isDigest(reference) ? { digest: reference } : { tag: reference }),
    );
    if (found === undefined) throw new TransferError('NotFound', `there is no ${reference} in ${this.#path} any more`);
    return manifestFrom(Buffer.from(found.bytes), found.mediaType, this.name, found.digest);
  }

  async *blob({ digest }: Descriptor, offset: number, signal: AbortSignal, lent = false): AsyncGenerator<Buffer> {
    const { blobs, leftovers } = this.#options.stores;
    try {
      const row = await this.#metadata.blob(this.#path, digest);
      const reader = row === undefined ? undefined : await blobs.open(row.key);
      if (reader === undefined)
        throw new TransferError('NotFound', `there is no blob ${digest} in ${this.#path} any more`);
      try {
        for await (const chunk of readStored(reader, offset, lent)) {
          if (signal.aborted) throw signal.reason;
          if (!lent) leftovers.add(chunk.length);
          yield chunk;
        }
      } finally {
        await reader.close();
      }
    } catch (error) {
      throw ownFault(error, signal);
    }
  }

  async referrers(subject: Digest, signal: AbortSignal): Promise<readonly Descriptor[]> {
    return await this.#named(signal, async () => {
      const found: Descriptor[] = [];
      for (let last: string | undefined; ; ) {
        const rows = await this.#metadata.referrers(this.#path, subject, {
          limit: page,
          ...(last !== undefined && { last }),
        });
        found.push(...rows);
        last = rows.at(-1)?.digest;
        if (rows.length < page) return found;
      }
    });
  }

  /** What waits for its end in the review queue is kept until the manifest comes. */
  async hasBlob({ digest }: Descriptor, signal: AbortSignal): Promise<boolean> {
    return await this.#named(signal, async () => {
      if ((await this.#metadata.blob(this.#path, digest)) === undefined) return false;
      return await this.#metadata.renewLease([digest], this.#options.stores.now());
    });
  }

  async hasManifest(digest: Digest, signal: AbortSignal): Promise<boolean> {
    return await this.#named(signal, async () => (await this.#metadata.manifest(this.#path, { digest })) !== undefined);
  }

  async tagged(tag: string, signal: AbortSignal): Promise<Digest | undefined> {
    return await this.#named(signal, async () => (await this.#metadata.manifest(this.#path, { tag }))?.digest);
  }

  async writeBlob(descriptor: Descriptor, options: BlobOptions, signal: AbortSignal): Promise<'copied' | 'mounted'> {
    return await this.#named(signal, async () => {
      if (await this.#mount(descriptor.digest, options.mountFrom)) return 'mounted';
      const { stores, by, ownsChunks } = this.#options;
      const bytes = counted(options.open(0), options.onBytes);
      await storeBlob(stores, { repository: this.#path, descriptor, by, bytes, ownsChunks }, signal);
      return 'copied';
    });
  }

  async writeManifest(manifest: ManifestBytes, signal: AbortSignal): Promise<void> {
    await this.#put(manifest, [], {}, signal);
  }

  async tag(
    tag: string,
    manifest: ManifestBytes,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await this.#put(manifest, [tag], headers, signal);
  }

  async whileReading<T>(_signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return await work();
  }

  async whileWriting<T>(_signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return await work();
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {}

  get #metadata() {
    return this.#options.stores.metadata;
  }

  /** Whoever may set rules may read every repository. */
  async #mount(digest: Digest, from: string | undefined): Promise<boolean> {
    const source = from ?? (await this.#metadata.repositoriesWithBlob(digest, 1))[0];
    if (source === undefined) return false;
    const now = this.#options.stores.now();
    return await this.#metadata.mountBlob({ repository: this.#path, from: source, digest, now });
  }

  async #put(
    manifest: ManifestBytes,
    tags: readonly string[],
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    const { stores, by, origin, sparse } = this.#options;
    // Whatever the registry takes from others: what is copied is whole.
    const content = { missingReferences: sparse === true ? ('AllowInIndex' as const) : ('Refuse' as const) };
    const replicated = readVersion(headers);
    const result = await this.#named(signal, async () => {
      if (replicated !== undefined) await requireReach(this.#metadata, this.#path, tags, replicated);
      return await this.#metadata.putManifest({
        ...factsOf(manifest.content, manifest.bytes.length, content),
        repository: this.#path,
        digest: manifest.digest,
        bytes: manifest.bytes,
        tags,
        by: { name: by, now: stores.now(), ...(origin !== undefined && { origin }) },
        ...(replicated && tags.length > 0 && { replicated }),
      });
    });
    if (result.outcome === 'missing') {
      const what = result.digests.slice(0, 3).join(', ');
      throw new TransferError('Invalid', `${this.name}: ${manifest.digest} needs ${what}, which is not there`, {
        codes: ['MANIFEST_BLOB_UNKNOWN'],
      });
    }
    if (result.outcome === 'conflict')
      throw new TransferError('Conflict', `${this.name}: the tag ${result.tag} has a newer state`, { status: 409 });
  }

  async #named<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw ownFault(error, signal);
    }
  }
}

async function* counted(chunks: AsyncIterable<Buffer>, onBytes?: (done: number) => void): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of chunks) {
    done += chunk.length;
    onBytes?.(done);
    yield chunk;
  }
}
