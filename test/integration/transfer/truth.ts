/** What a repository holds, read byte by byte; and a look-out for tags whose image is not whole. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { type Descriptor, mayBeMissing } from '../../../src/domain/oci/manifest.ts';
import { DigestCheck } from '../../../src/transfer/digest-check.ts';
import { isTransferError } from '../../../src/transfer/errors.ts';
import { readBlob } from '../../../src/transfer/registry/blob-reader.ts';
import { hasBlob } from '../../../src/transfer/registry/blob-writer.ts';
import { readTags } from '../../../src/transfer/registry/listing.ts';
import { getManifest, headManifest, type ManifestBytes } from '../../../src/transfer/registry/manifests.ts';
import { isFallbackTag, listReferrers } from '../../../src/transfer/registry/referrers.ts';
import type { Place } from './images.ts';

/** Everything that can be pulled from a repository, in an order of its own so that two can be compared. */
export interface Truth {
  readonly tags: Readonly<Record<string, Digest>>;
  readonly manifests: readonly Digest[];
  readonly blobs: readonly Digest[];
  /** By subject. */
  readonly referrers: Readonly<Record<string, readonly Digest[]>>;
}

/** Reads all that the tags lead to. @throws TransferError where anything is missing or damaged */
export async function truthOf(place: Place, signal = AbortSignal.timeout(240_000)): Promise<Truth> {
  return await new Reader(place, signal).read();
}

class Reader {
  readonly #place: Place;
  readonly #signal: AbortSignal;
  readonly #manifests = new Set<Digest>();
  readonly #blobs = new Set<Digest>();
  readonly #referrers: Record<string, readonly Digest[]> = {};

  constructor(place: Place, signal: AbortSignal) {
    this.#place = place;
    this.#signal = signal;
  }

  async read(): Promise<Truth> {
    const { client, repository } = this.#place;
    const tags: Record<string, Digest> = {};
    const listed = await readTags(client, repository, this.#signal);
    for (const tag of listed.tags.filter((name) => !isFallbackTag(name)).sort()) {
      tags[tag] = await this.#follow(tag);
    }
    return {
      tags,
      manifests: [...this.#manifests].sort(),
      blobs: [...this.#blobs].sort(),
      referrers: Object.fromEntries(Object.entries(this.#referrers).sort()),
    };
  }

  async #follow(reference: string): Promise<Digest> {
    const { client, repository } = this.#place;
    const manifest = await getManifest(client, repository, reference, this.#signal);
    if (this.#manifests.has(manifest.digest)) return manifest.digest;
    this.#manifests.add(manifest.digest);
    for (const blob of blobsOf(manifest)) await this.#readBlob(blob);
    for (const child of manifest.content.children) await this.#follow(child.digest);
    const referrers = await listReferrers(client, repository, manifest.digest, this.#signal);
    if (referrers.length > 0) this.#referrers[manifest.digest] = referrers.map(({ digest }) => digest).sort();
    for (const { digest } of referrers) await this.#follow(digest);
    return manifest.digest;
  }

  async #readBlob(blob: Descriptor): Promise<void> {
    if (this.#blobs.has(blob.digest)) return;
    this.#blobs.add(blob.digest);
    const { client, repository } = this.#place;
    const chunks = readBlob(client, { repository, ...blob }, 0, this.#signal);
    for await (const _ of new DigestCheck(blob, client.host).passing(chunks, 0));
  }
}

function blobsOf({ content }: ManifestBytes): Descriptor[] {
  return [...(content.config === undefined ? [] : [content.config]), ...content.layers].filter(
    (blob) => !mayBeMissing(blob),
  );
}

/** Looks at a repository again and again, as a node that pulls at the worst moment would. */
export class LookOut {
  readonly #place: Place;
  readonly #stopped = new AbortController();
  readonly #going: Promise<void>;
  /** What was missing, and of which tag. */
  readonly incomplete: string[] = [];
  rounds = 0;

  constructor(place: Place) {
    this.#place = place;
    this.#going = this.#look();
  }

  /** Ends it, and answers what it saw that should never be. */
  async stop(): Promise<readonly string[]> {
    this.#stopped.abort();
    await this.#going;
    return this.incomplete;
  }

  async #look(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const { client, repository } = this.#place;
      const { tags } = await readTags(client, repository, AbortSignal.timeout(120_000));
      for (const tag of tags.filter((name) => !isFallbackTag(name))) await this.#examine(tag);
      this.rounds += 1;
      await delay(15);
    }
  }

  async #examine(tag: string): Promise<void> {
    const { client, repository } = this.#place;
    const signal = AbortSignal.timeout(120_000);
    const found = await getManifest(client, repository, tag, signal).catch((error) => {
      if (isTransferError(error, 'NotFound')) return undefined;
      throw error;
    });
    if (found === undefined) return;
    const images = [found];
    for (const child of found.content.children) {
      if ((await headManifest(client, repository, child.digest, signal)) === undefined)
        this.incomplete.push(`${tag}: the manifest ${child.digest}`);
      else images.push(await getManifest(client, repository, child.digest, signal));
    }
    for (const blob of images.flatMap(blobsOf)) {
      if (!(await hasBlob(client, repository, blob.digest, signal)))
        this.incomplete.push(`${tag}: the blob ${blob.digest}`);
    }
  }
}
