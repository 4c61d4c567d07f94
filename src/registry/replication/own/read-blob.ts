import { Writable } from 'node:stream';
import type { BlobReader } from '../../storage/store.ts';

/** Stands where a client's address would: how buffers are shared. */
const owner = 'replication';

/**
 * The bytes of a stored blob from `offset` on. The store's own buffers are handed back at once, however slow the target is.
 * @param lent chunks are good until the next are asked for only: all of them lie in the same memory. Others belong to whoever takes them
 */
export async function* readStored(reader: BlobReader, offset: number, lent: boolean): AsyncGenerator<Buffer> {
  if (offset >= reader.size) return;
  const hatch = new Hatch(lent);
  const sent = reader.send(hatch, offset, reader.size - 1, owner).then(
    () => hatch.finish(),
    (error: unknown) => hatch.finish(error),
  );
  try {
    for (let chunk = await hatch.next(); chunk !== undefined; chunk = await hatch.next()) yield chunk;
  } finally {
    hatch.destroy();
    await sent;
  }
}

interface Waiting {
  resolve(chunk: Buffer | undefined): void;
  reject(error: unknown): void;
}

/** Hands each chunk that is written to whoever asks for the next one, and takes another only then. */
class Hatch extends Writable {
  #offered: { readonly chunk: Buffer; readonly taken: () => void } | undefined;
  #waiting: Waiting | undefined;
  #end: { readonly error?: unknown } | undefined;
  readonly #lent: boolean;
  #memory = Buffer.alloc(0);

  constructor(lent: boolean) {
    super({ highWaterMark: 1 });
    this.#lent = lent;
    this.on('error', () => {});
  }

  next(): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#meet();
    });
  }

  finish(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#meet();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, taken: () => void): void {
    this.#offered = { chunk, taken };
    this.#meet();
  }

  #meet(): void {
    const [offered, waiting, end] = [this.#offered, this.#waiting, this.#end];
    if (waiting === undefined || (offered === undefined && end === undefined)) return;
    this.#waiting = undefined;
    if (offered !== undefined) {
      this.#offered = undefined;
      waiting.resolve(this.#copied(offered.chunk));
      offered.taken();
    } else if (end !== undefined && 'error' in end) waiting.reject(end.error);
    else waiting.resolve(undefined);
  }

  /** Memory that is new costs as much as reading does. */
  #copied(chunk: Buffer): Buffer {
    if (!this.#lent) return Buffer.from(chunk);
    if (this.#memory.length < chunk.length) this.#memory = Buffer.allocUnsafeSlow(chunk.length);
    chunk.copy(this.#memory);
    return this.#memory.subarray(0, chunk.length);
  }
}
