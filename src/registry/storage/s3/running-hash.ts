import { createHash, type Hash } from 'node:crypto';
import type { Algorithm } from '../../../domain/oci/digest.ts';

/** The hash of an upload as far as this process has seen all of it. */
export class RunningHash {
  #state: { algorithm: Algorithm; hash: Hash; at: number } | undefined;

  /** From the first byte on. */
  start(algorithm: Algorithm): void {
    this.#state = { algorithm, hash: createHash(algorithm), at: 0 };
  }

  /** Takes bytes that stand at `position` of the upload. */
  update(chunk: Uint8Array, position: number): void {
    if (this.#state?.at !== position) {
      this.#state = undefined;
      return;
    }
    this.#state.hash.update(chunk);
    this.#state.at += chunk.byteLength;
  }

  /** In hex, where it covers all `size` bytes with that algorithm. */
  hex(algorithm: Algorithm, size: number): string | undefined {
    if (this.#state === undefined || this.#state.algorithm !== algorithm || this.#state.at !== size) return undefined;
    return this.#state.hash.copy().digest('hex');
  }
}
