import type { Digest } from '../../../domain/oci/digest.ts';
import type { BlobRow, ManifestRow, ManifestWithBytes } from '../store.ts';

/** Bytes the cache may hold, its own bookkeeping included. */
const MOST_BYTES = 4 * 1024 * 1024;
/** A larger manifest is read again each time. */
export const LARGEST = 64 * 1024;
/** What an entry costs beside the manifest's bytes: key, row, map slot. */
const OVERHEAD = 600;
/** Written repositories that are remembered; past it everything is forgotten, which is always right. */
const MOST_EPOCHS = 10_000;

interface Entry {
  readonly value: ManifestRow | ManifestWithBytes | BlobRow;
  readonly epoch: number;
  readonly bytes: number;
  /** Asked for since it was last at the end of the queue. */
  used: boolean;
}

/**
 * The rows that are asked for again and again: a look-up costs 0.3 µs instead of 10. It is right because this process is the
 * only writer (the directory is locked): a write forgets its repository before it is acknowledged to anybody, and reads
 * are synchronous, so none that began earlier can put an old row back.
 */
export class ReadCache {
  #entries = new Map<string, Entry>();
  #bytes = 0;
  #epochs = new Map<string, number>();
  #epoch = 0;

  get<T extends Entry['value']>(repository: string, name: string): T | undefined {
    const key = `${repository}\n${name}`;
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.epoch < (this.#epochs.get(repository) ?? 0)) {
      this.#entries.delete(key);
      this.#bytes -= entry.bytes;
      return undefined;
    }
    // A mark instead of a move to the end: moving makes the map build itself anew again and again.
    entry.used = true;
    return entry.value as T;
  }

  set(repository: string, name: string, value: Entry['value']): void {
    const bytes = OVERHEAD + ('bytes' in value ? value.bytes.byteLength : 0);
    if (bytes > LARGEST) return;
    const key = `${repository}\n${name}`;
    this.#bytes += bytes - (this.#entries.get(key)?.bytes ?? 0);
    this.#entries.delete(key);
    this.#entries.set(key, { value, epoch: this.#epoch, bytes, used: false });
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= MOST_BYTES) return;
      this.#entries.delete(oldest);
      if (entry.used) {
        // Its second chance: it goes to the end of the queue.
        entry.used = false;
        this.#entries.set(oldest, entry);
      } else this.#bytes -= entry.bytes;
    }
  }

  /** Something in this repository was written. */
  forget(repository: string): void {
    if (this.#epochs.size >= MOST_EPOCHS) this.clear();
    this.#epoch += 1;
    this.#epochs.set(repository, this.#epoch);
  }

  /** These blobs have other bytes now, or none: whatever repository remembers them. */
  forgetBlobs(digests: ReadonlySet<Digest>): void {
    for (const [key, { value, bytes }] of this.#entries) {
      if (!('key' in value) || !digests.has(value.digest)) continue;
      this.#entries.delete(key);
      this.#bytes -= bytes;
    }
  }

  /** Something was written that concerns every repository. */
  clear(): void {
    this.#entries.clear();
    this.#epochs.clear();
    this.#bytes = 0;
  }
}
