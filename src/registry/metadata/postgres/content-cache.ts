import type { Digest } from '../../../domain/oci/digest.ts';

/** Bytes the cache may hold, its own bookkeeping included, and the largest content that is worth it. */
const MOST_BYTES = 4 * 1024 * 1024;
export const LARGEST = 64 * 1024;
const OVERHEAD = 400;

/**
 * Manifests' bytes by digest: they are the same for ever, in whatever repository. Whether somebody may see them now is not
 * known here; that is asked of the database each time. Beside it, which digest a name was last seen at: only a guess, so that the
 * database need not send bytes that are here.
 */
export class ContentCache {
  #contents = new Map<Digest, Uint8Array>();
  #guesses = new Map<string, Digest>();
  #bytes = 0;

  get(digest: Digest): Uint8Array | undefined {
    const bytes = this.#contents.get(digest);
    if (bytes === undefined) return undefined;
    this.#contents.delete(digest);
    this.#contents.set(digest, bytes);
    return bytes;
  }

  set(digest: Digest, bytes: Uint8Array): void {
    if (bytes.byteLength > LARGEST || this.#contents.has(digest)) return;
    // A copy of its own: small buffers of the driver share one piece of memory, which each of them would keep.
    this.#contents.set(digest, new Uint8Array(bytes));
    this.#bytes += bytes.byteLength + OVERHEAD;
    for (const [oldest, held] of this.#contents) {
      if (this.#bytes <= MOST_BYTES) break;
      this.#contents.delete(oldest);
      this.#bytes -= held.byteLength + OVERHEAD;
    }
  }

  /** The digest that a name most likely points at, where its bytes are held. */
  guess(repository: string, tag: string): Digest | undefined {
    const digest = this.#guesses.get(`${repository}:${tag}`);
    return digest !== undefined && this.#contents.has(digest) ? digest : undefined;
  }

  learn(repository: string, tag: string, digest: Digest): void {
    const name = `${repository}:${tag}`;
    if (this.#guesses.get(name) === digest) return;
    this.#guesses.delete(name);
    this.#guesses.set(name, digest);
    if (this.#guesses.size <= MOST_GUESSES) return;
    const [oldest] = this.#guesses.keys();
    if (oldest !== undefined) this.#guesses.delete(oldest);
  }
}

/** A guess costs about 250 bytes. */
const MOST_GUESSES = 4000;
