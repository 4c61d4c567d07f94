import { giveBack } from '../../../platform/give-back.ts';

/** Chunks below this are copied together: a client that sends byte by byte must not cost a hundred bytes for each. */
const TINY = 4 * 1024;
const BLOCK = 32 * 1024;

/** Consecutive bytes of an upload: in memory, in the bucket, or in both. */
export class Segment {
  /** Where in the blob they begin. */
  readonly offset: number;
  length = 0;
  /** The object that holds them. */
  stored: { readonly name: string; readonly etag: string | undefined } | undefined;
  #chunks: { readonly bytes: Uint8Array; readonly owned: boolean }[] | undefined = [];
  #block: { readonly bytes: Uint8Array; used: number } | undefined;

  constructor(offset: number) {
    this.offset = offset;
  }

  /** Of bytes that are in the bucket alone. */
  static stored(offset: number, length: number, stored: { name: string; etag: string | undefined }): Segment {
    const segment = new Segment(offset);
    segment.length = length;
    segment.stored = stored;
    segment.#chunks = undefined;
    return segment;
  }

  get inMemory(): boolean {
    return this.#chunks !== undefined;
  }

  /** @param owned nobody else uses the chunk: its memory may be freed */
  add(chunk: Uint8Array, owned: boolean): void {
    if (chunk.byteLength < TINY) this.#copy(chunk);
    else {
      this.#close();
      this.#chunks?.push({ bytes: chunk, owned });
    }
    this.length += chunk.byteLength;
  }

  *bytes(): Generator<Uint8Array> {
    for (const { bytes } of this.#chunks ?? []) yield bytes;
    if (this.#block !== undefined) yield this.#block.bytes.subarray(0, this.#block.used);
  }

  /** Puts bytes that were read back from the bucket into memory. */
  fill(chunks: readonly Uint8Array[]): void {
    this.#chunks = chunks.map((bytes) => ({ bytes, owned: true }));
  }

  /** Frees the memory, and says how much it was. */
  drop(): number {
    if (this.#chunks === undefined) return 0;
    for (const { bytes, owned } of this.#chunks) if (owned) giveBack(bytes);
    this.#chunks = undefined;
    this.#block = undefined;
    return this.length;
  }

  #copy(chunk: Uint8Array): void {
    if (this.#block !== undefined && this.#block.used + chunk.byteLength > BLOCK) this.#close();
    this.#block ??= { bytes: Buffer.allocUnsafeSlow(BLOCK), used: 0 };
    this.#block.bytes.set(chunk, this.#block.used);
    this.#block.used += chunk.byteLength;
  }

  #close(): void {
    if (this.#block === undefined) return;
    this.#chunks?.push({ bytes: this.#block.bytes.subarray(0, this.#block.used), owned: true });
    this.#block = undefined;
  }
}
