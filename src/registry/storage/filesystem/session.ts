import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Algorithm } from '../../../domain/oci/digest.ts';

/** Bytes after which the disk is set to work while more arrive, so that little is left to wait for when an upload is finished. */
const EARLY = 8 * 1024 * 1024;

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
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  /** Why bytes that were written did not reach the disk. */
  #loss: Error | undefined;

  constructor(id: string, file: FileHandle, size: number) {
    this.id = id;
    this.file = file;
    this.size = size;
    this.usedAt = performance.now();
  }

  get busy(): boolean {
    return this.work !== undefined;
  }

  /**
   * Bytes did not reach the disk. Linux tells of that once and takes them for written from then on: what the file holds cannot be
   * trusted any more, whatever a later sync says.
   */
  get lost(): boolean {
    return this.#loss !== undefined;
  }

  /** Notes that the file has grown. */
  wrote(bytes: number): void {
    this.size += bytes;
    this.#unsynced += bytes;
    if (this.#unsynced >= EARLY && this.#syncing === undefined) this.#sync();
  }

  /** Resolves when all bytes are on the disk. Rejects with what the file system said where some are lost. */
  async synced(): Promise<void> {
    // Beside one that is under way, not after it: both wait for the same bytes, and the file system commits them together.
    if (!this.lost) await Promise.all([this.#syncing, this.#sync()]);
    if (this.#loss !== undefined) throw this.#loss;
  }

  /** Never rejects. */
  #sync(): Promise<void> {
    this.#unsynced = 0;
    const syncing = this.file
      .datasync()
      .catch((error: Error) => {
        this.#loss ??= error;
      })
      .finally(() => {
        if (this.#syncing === syncing) this.#syncing = undefined;
      });
    this.#syncing = syncing;
    return syncing;
  }

  /** Starts a running hash where the upload is empty; later it is too late. */
  startHash(algorithm: Algorithm): void {
    if (this.size === 0) this.#hash = { algorithm, hash: createHash(algorithm), at: 0 };
  }

  /** Takes bytes that stand at `position` in the file into the running hash. */
  hash(chunk: Uint8Array, position: number): void {
    if (this.#hash?.at !== position) return void this.forgetHash();
    this.#hash.hash.update(chunk);
    this.#hash.at += chunk.byteLength;
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
