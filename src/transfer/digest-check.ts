import { createHash, type Hash } from 'node:crypto';
import { algorithmOf, type Digest, hexOf } from '../domain/oci/digest.ts';
import { TransferError } from './errors.ts';

/**
 * Checks bytes against a digest and a size while they pass. After a cut the bytes may come again from an earlier
 * offset: what was hashed is not hashed twice.
 */
export class DigestCheck {
  readonly #digest: Digest;
  readonly #size: number;
  readonly #where: string;
  readonly #hash: Hash;
  #hashed = 0;

  constructor({ digest, size }: { digest: Digest; size: number }, where: string) {
    this.#digest = digest;
    this.#size = size;
    this.#where = where;
    this.#hash = createHash(algorithmOf(digest));
  }

  /** Passes `chunks`, which start at `offset`, through. @throws TransferError `Corrupt` at the end of the blob or when it is too long */
  async *passing(chunks: AsyncIterable<Buffer>, offset: number): AsyncGenerator<Buffer> {
    let at = offset;
    for await (const chunk of chunks) {
      this.#take(chunk, at);
      at += chunk.length;
      if (at >= this.#size) this.#conclude(at);
      yield chunk;
    }
    if (at < this.#size) throw this.#corrupt(`it ended after ${at} of ${this.#size} bytes`);
    if (this.#size === 0) this.#conclude(at);
  }

  #take(chunk: Buffer, at: number): void {
    const fresh = this.#hashed - at;
    if (fresh < 0) throw new RangeError('a blob was read with a gap');
    if (fresh >= chunk.length) return;
    this.#hash.update(fresh === 0 ? chunk : chunk.subarray(fresh));
    this.#hashed = at + chunk.length;
  }

  #conclude(at: number): void {
    if (at > this.#size) throw this.#corrupt(`it is longer than its ${this.#size} bytes`);
    const hex = this.#hash.copy().digest('hex');
    if (hex !== hexOf(this.#digest)) throw this.#corrupt(`its bytes hash to ${algorithmOf(this.#digest)}:${hex}`);
  }

  #corrupt(how: string): TransferError {
    return new TransferError('Corrupt', `${this.#where}: the blob ${this.#digest} is damaged: ${how}`).on('source');
  }
}
