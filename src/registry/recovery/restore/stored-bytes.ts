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
  #blobs: Pick<BlobStore, 'digestOf'>;
  #keys: Map<string, StoredBytes>;

  /** Rejects where the listing is not complete. */
  static async read(blobs: Pick<BlobStore, 'list' | 'digestOf'>): Promise<Listing> {
    const keys = new Map<string, StoredBytes>();
    for await (const { key, size, modifiedAt } of blobs.list()) keys.set(key, { key, size, modifiedAt });
    return new Listing(blobs, keys);
  }

  private constructor(blobs: Pick<BlobStore, 'digestOf'>, keys: Map<string, StoredBytes>) {
    this.#blobs = blobs;
    this.#keys = keys;
  }

  /** The bytes under a key, where they are there with that size; nobody else gets them. */
  claim(key: string, size: number): StoredBytes | undefined {
    const found = this.#keys.get(key);
    if (found === undefined || found.size !== size) return undefined;
    this.#keys.delete(key);
    return found;
  }

  /** Looks among the keys that nobody claimed for bytes of these digests; the newest of each. */
  async find(digests: ReadonlySet<Digest>): Promise<Map<Digest, StoredBytes>> {
    const found = new Map<Digest, StoredBytes>();
    if (digests.size === 0) return found;
    const left = [...this.#keys.values()];
    for (let at = 0; at < left.length; at += AT_ONCE) {
      const some = left.slice(at, at + AT_ONCE);
      const names = await Promise.all(some.map(({ key }) => this.#blobs.digestOf(key)));
      some.forEach((bytes, index) => {
        const digest = names[index];
        if (digest === undefined || !digests.has(digest)) return;
        const before = found.get(digest);
        if (before === undefined || before.modifiedAt < bytes.modifiedAt) found.set(digest, bytes);
      });
    }
    return found;
  }
}
