import type { FileHandle } from 'node:fs/promises';
import { Transform, type Writable } from 'node:stream';
import { StoreError } from '../../metadata/store.ts';
import type { BlobReader } from '../store.ts';
import { storageError } from './faults.ts';
import type { BufferPool } from './pool.ts';

/** Sends parts of a stored file from pooled buffers: one read, one write, whatever the kernel takes. */
export class FileReader implements BlobReader {
  readonly size: number;
  #key: string;
  #file: FileHandle;
  #pools: { large: BufferPool; small: BufferPool };

  constructor(key: string, file: FileHandle, size: number, pools: { large: BufferPool; small: BufferPool }) {
    this.#key = key;
    this.#file = file;
    this.size = size;
    this.#pools = pools;
  }

  async send(sink: Writable, start: number, end: number): Promise<void> {
    // A Transform calls back when it has passed the bytes on, not when they are gone; sockets and responses keep none.
    const keepsBytes = sink instanceof Transform;
    const pool = end - start < this.#pools.small.size ? this.#pools.small : this.#pools.large;
    for (let position = start; position <= end; ) {
      if (sink.destroyed) throw gone();
      const buffer = await pool.take();
      let reusable = false;
      try {
        const length = await this.#fill(buffer, position, Math.min(buffer.byteLength, end - position + 1));
        await deliver(sink, buffer.subarray(0, length));
        reusable = !keepsBytes;
        position += length;
      } finally {
        if (reusable) pool.give(buffer);
        else pool.discard();
      }
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Reads exactly `length` bytes; the file is shorter than it should be otherwise. */
  async #fill(buffer: Buffer, position: number, length: number): Promise<number> {
    try {
      const { bytesRead } = await this.#file.read(buffer, 0, length, position);
      if (bytesRead > 0) return bytesRead;
    } catch (error) {
      throw storageError(error, `reading ${this.#key}`);
    }
    throw new StoreError(
      'corrupt',
      `${this.#key} ends at ${position}, before the bytes that were asked for; it is damaged`,
    );
  }
}

/** Writes and waits until the sink needs the bytes no more. Rejects when it is destroyed meanwhile. */
function deliver(sink: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (sink.destroyed) return reject(gone());
    const closed = () => reject(gone());
    sink.once('close', closed);
    sink.write(bytes, (error) => {
      sink.off('close', closed);
      if (error) reject(error);
      else resolve();
    });
  });
}

function gone(): Error {
  return Object.assign(new Error('the client went away'), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
}
