import type { Digest } from '../../domain/oci/digest.ts';
import type { Descriptor } from '../../domain/oci/manifest.ts';
import { readBlob } from '../registry/blob-reader.ts';
import { hasBlob, tinyBytes, writeBlob } from '../registry/blob-writer.ts';
import type { RegistryClient } from '../registry/client.ts';
import { getManifest, headManifest, type ManifestBytes, putManifest } from '../registry/manifests.ts';
import { listReferrers, noteReferrer } from '../registry/referrers.ts';
import type { BlobOptions, ImageSource, ImageTarget } from './image.ts';

/** One repository of a registry, to read from and to write to. Whoever made the client closes it. */
export class RegistryImage implements ImageSource, ImageTarget {
  readonly name: string;
  readonly takesLent = true;
  readonly sendsUnasked = tinyBytes;
  readonly repository: { readonly host: string; readonly name: string };
  readonly #client: RegistryClient;
  readonly #path: string;

  constructor(client: RegistryClient, repository: string) {
    this.#client = client;
    this.#path = repository;
    this.name = `${client.host}/${repository}`;
    this.repository = { host: client.host, name: repository };
  }

  async manifest(reference: string, signal: AbortSignal): Promise<ManifestBytes> {
    return await getManifest(this.#client, this.#path, reference, signal);
  }

  blob({ digest, size }: Descriptor, offset: number, signal: AbortSignal, lent = false): AsyncIterable<Buffer> {
    return readBlob(this.#client, { repository: this.#path, digest, size, lent }, offset, signal);
  }

  async referrers(subject: Digest, signal: AbortSignal): Promise<readonly Descriptor[]> {
    return await listReferrers(this.#client, this.#path, subject, signal);
  }

  async hasBlob({ digest }: Descriptor, signal: AbortSignal): Promise<boolean> {
    return await hasBlob(this.#client, this.#path, digest, signal);
  }

  async hasManifest(digest: Digest, signal: AbortSignal): Promise<boolean> {
    return (await headManifest(this.#client, this.#path, digest, signal)) !== undefined;
  }

  async tagged(tag: string, signal: AbortSignal): Promise<Digest | undefined> {
    return (await headManifest(this.#client, this.#path, tag, signal))?.digest;
  }

  async writeBlob(
    { digest, size }: Descriptor,
    options: BlobOptions,
    signal: AbortSignal,
  ): Promise<'copied' | 'mounted'> {
    return await writeBlob(this.#client, { repository: this.#path, digest, size, ...options }, signal);
  }

  async writeManifest(manifest: ManifestBytes, signal: AbortSignal): Promise<void> {
    await this.#put(manifest.digest, manifest, signal);
  }

  async tag(
    tag: string,
    manifest: ManifestBytes,
    signal: AbortSignal,
    headers?: Readonly<Record<string, string>>,
  ): Promise<void> {
    await this.#put(tag, manifest, signal, headers);
  }

  async whileReading<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return await this.#client.reading.run(signal, work);
  }

  async whileWriting<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return await this.#client.writing.run(signal, work);
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {}

  async #put(
    reference: string,
    manifest: ManifestBytes,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const at = { repository: this.#path, reference, headers };
    const { subjectNoted } = await putManifest(this.#client, at, manifest, signal);
    if (subjectNoted || manifest.content.subject === undefined) return;
    // The index is read, changed and written: one at a time, whichever rule it is for.
    await this.#client.hosts.alone(
      `${this.name}@${manifest.content.subject.digest}`,
      async () => await noteReferrer(this.#client, this.#path, manifest, signal),
    );
  }
}
