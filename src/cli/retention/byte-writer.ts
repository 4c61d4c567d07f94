import type { Writable } from 'node:stream';

const enough = 256 * 1024;

/**
 * Writes a long text to a stream, in large pieces and no faster than its reader reads. All pieces are put together in the same
 * bytes: a million strings take longer to make than to write.
 */
export class ByteWriter {
  readonly #stream: Writable;
  #bytes = Buffer.allocUnsafeSlow(2 * enough);
  #used = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Whether `flush` should be waited for before more is added. */
  get isFull(): boolean {
    return this.#used >= enough;
  }

  add(text: string): void {
    this.addBytes(Buffer.from(text));
  }

  addBytes(bytes: Uint8Array): void {
    const start = this.claim(bytes.length);
    this.#bytes.set(bytes, start);
  }

  addByte(byte: number): void {
    const start = this.claim(1);
    this.#bytes[start] = byte;
  }

  /** What `claim` gives is to be written here. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Where so many bytes begin that are the caller's to write. */
  claim(length: number): number {
    const start = this.#used;
    this.#used += length;
    if (this.#used > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.#used);
      this.#bytes.copy(larger, 0, 0, start);
      this.#bytes = larger;
    }
    return start;
  }

  /** Gives back all that was claimed from here on. */
  release(start: number): void {
    this.#used = start;
  }

  /** Waits until the stream has written the bytes, and not only taken them: they are written over next. */
  async flush(): Promise<void> {
    const bytes = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    if (bytes.length > 0)
      await new Promise<void>((resolve, reject) => {
        this.#stream.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
  }
}
