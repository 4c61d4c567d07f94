import type { Digest } from '../../../domain/oci/digest.ts';
import type { BlobStore } from '../../storage/store.ts';

export interface StoredBytes {
  readonly key: string;
  readonly size: number;
  readonly modifiedAt: number;
}

/** Keys whose digest is asked for at once: on a bucket each may cost a request. */
const AT_ONCE = 16;

/** Which keys the blob store holds, and what is known of them. The store is the only one that knows what bytes there are. */
export class Listing {
  #keys = new Map<string, StoredBytes>();
  /** Of bytes that no file names: they may have come last, and replaced those that are named. The newest of each digest. */
  #spare = new Map<Digest, StoredBytes>();

  /** @param named keys that base and journal name. Rejects where the listing is not complete. */
  static async read(blobs: Pick<BlobStore, 'list' | 'digestOf'>, named: AsyncIterable<string>): Promise<Listing> {
    const listing = new Listing();
    for await (const { key, size, modifiedAt } of blobs.list()) listing.#keys.set(key, { key, size, modifiedAt });
    const others = new Set(listing.#keys.keys());
    for await (const key of named) others.delete(key);
    await listing.#learn(blobs, [...others]);
    return listing;
  }

  /** The bytes under a key, where they are there with that size. */
  at({ key, size }: { key: string; size: number }): StoredBytes | undefined {
    const found = this.#keys.get(key);
    return found?.size === size ? found : undefined;
  }

  spare(digest: Digest): StoredBytes | undefined {
    return this.#spare.get(digest);
  }

  async #learn(blobs: Pick<BlobStore, 'digestOf'>, keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += AT_ONCE) {
      const some = keys.slice(start, start + AT_ONCE);
      const digests = await Promise.all(some.map((key) => blobs.digestOf(key)));
      some.forEach((key, index) => {
        this.#keep(digests[index], this.#keys.get(key));
      });
    }
  }

  #keep(digest: Digest | undefined, bytes: StoredBytes | undefined): void {
    if (digest === undefined || bytes === undefined) return;
    const before = this.#spare.get(digest);
    if (before === undefined || before.modifiedAt < bytes.modifiedAt) this.#spare.set(digest, bytes);
  }
}
