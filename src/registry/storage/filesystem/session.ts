import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Algorithm } from '../../../domain/oci/digest.ts';

/** An upload that is open in this process: its file and the hash of what was written so far. */
export class Session {
  readonly id: string;
  readonly file: FileHandle;
  /** Bytes in the file. */
  size: number;
  /** The request that is at work on it, until that is done. Never rejects. */
  work: Promise<void> | undefined;
  /** The bytes are not this upload's any more (cancelled, finished or refused): nothing may be written. */
  ended = false;
  /** The file is closed: whoever still holds this opens the upload anew. */
  closed = false;
  usedAt: number;
  #hash: { algorithm: Algorithm; hash: Hash; at: number } | undefined;

  constructor(id: string, file: FileHandle, size: number) {
    this.id = id;
    this.file = file;
    this.size = size;
    this.usedAt = performance.now();
  }

  get busy(): boolean {
    return this.work !== undefined;
  }

  /** Starts a running hash where the upload is empty; later it is too late. */
  startHash(algorithm: Algorithm): void {
    if (this.size === 0) this.#hash = { algorithm, hash: createHash(algorithm), at: 0 };
  }

  /** Takes bytes that stand at `position` in the file into the running hash. */
  hash(chunk: Uint8Array, position: number): void {
    if (this.#hash?.at === position) {
      this.#hash.hash.update(chunk);
      this.#hash.at += chunk.byteLength;
    } else this.forgetHash();
  }

  forgetHash(): void {
    this.#hash = undefined;
  }

  /** The running hash in hex, where it covers the whole file with that algorithm. */
  hexDigest(algorithm: Algorithm): string | undefined {
    if (this.#hash === undefined || this.#hash.algorithm !== algorithm || this.#hash.at !== this.size) return undefined;
    return this.#hash.hash.copy().digest('hex');
  }
}
