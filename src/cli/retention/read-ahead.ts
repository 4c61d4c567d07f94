import type { FileHandle } from 'node:fs/promises';

/** A file block by block, of which one is read while the one before is worked on. */
export class ReadAhead {
  readonly #handle: FileHandle;
  readonly #block: Buffer;
  #position: number | undefined;
  #reading: Promise<number>;

  /**
   * @param size bytes of a block
   * @param position of the first byte; without one the file is read as a pipe is: from where it is
   */
  constructor(handle: FileHandle, size: number, position?: number) {
    this.#handle = handle;
    this.#block = Buffer.allocUnsafeSlow(size);
    this.#position = position;
    this.#reading = this.#read();
  }

  /** Writes the next block to a place, and answers how long it is. */
  async next(place: Buffer): Promise<number> {
    const length = await this.#reading;
    this.#block.copy(place, 0, 0, length);
    if (this.#position !== undefined) this.#position += length;
    this.#reading = this.#read();
    return length;
  }

  /** Blocks end where they would if the file were read from its beginning: what is too long for us is the same then. */
  #read(): Promise<number> {
    const position = this.#position;
    const length = this.#block.length - ((position ?? 0) % this.#block.length);
    const reading = this.#handle.read(this.#block, 0, length, position ?? null).then(({ bytesRead }) => bytesRead);
    // Told to whoever asks for the block, if anybody does.
    reading.catch(() => undefined);
    return reading;
  }
}
