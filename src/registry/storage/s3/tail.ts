import { createHash, type Hash } from 'node:crypto';
import { StoreError } from '../../metadata/store.ts';
import type { Body, Bucket, Creation } from './bucket.ts';
import type { Layout } from './layout.ts';
import type { Gatherer, PartMemory } from './part-memory.ts';
import { Segment } from './segment.ts';

/** What tails need of the store. */
export interface TailParts {
  readonly bucket: Bucket;
  readonly layout: Layout;
  readonly memory: PartMemory;
  /** What pieces are created with. */
  readonly creation: Creation;
  /** Whether the store is to be told what a part's bytes hash to: over plain HTTP nothing else tells. */
  readonly prove: boolean;
}

/** The bytes of an upload that are in no part yet: they become the next part, or the whole blob. */
export class Tail implements Gatherer {
  /** Where in the blob they begin. */
  readonly offset: number;
  #length = 0;
  readonly #id: string;
  readonly #parts: TailParts;
  #segments: Segment[] = [];
  #open: Segment | undefined;
  #saving: Promise<void> = Promise.resolve();
  #hash: Hash | undefined;
  #released = false;
  /** It is being sent: its memory stays. */
  #pinned = false;

  constructor(id: string, offset: number, parts: TailParts) {
    this.#id = id;
    this.offset = offset;
    this.#parts = parts;
    // The first one's is that of the upload so far.
    if (parts.prove && offset > 0) this.#hash = createHash('sha256');
  }

  get length(): number {
    return this.#length;
  }

  get filling(): number {
    return this.#pinned ? 0 : this.#inMemoryBytes();
  }

  /** Bytes that are in memory. */
  #inMemoryBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + (segment.inMemory ? segment.length : 0), 0);
  }

  /** Takes over a piece that is in the bucket. */
  adopt(piece: { offset: number; length: number; name: string; etag: string | undefined }): void {
    this.#segments.push(Segment.stored(piece.offset, piece.length, piece));
    this.#length += piece.length;
    this.#hash = undefined;
  }

  /** Adds a chunk, when there is memory for it. */
  async add(chunk: Uint8Array, owned: boolean): Promise<void> {
    await this.#parts.memory.take(this, chunk.byteLength);
    if (this.#released) {
      this.#parts.memory.give(this, chunk.byteLength);
      return;
    }
    this.#hash?.update(chunk);
    if (this.#open === undefined) {
      this.#open = new Segment(this.offset + this.#length);
      this.#segments.push(this.#open);
    }
    this.#open.add(chunk, owned);
    this.#length += chunk.byteLength;
  }

  /** Stores what is in memory alone as pieces, so that any replica can go on. Throws StoreError. */
  save(): Promise<void> {
    this.#open = undefined;
    const saving = this.#saving.then(() => this.#save());
    this.#saving = saving.catch(() => undefined);
    return saving;
  }

  dropCopies(): void {
    if (this.#pinned) return;
    for (const segment of this.#segments) if (segment.stored !== undefined) this.#drop(segment);
  }

  /** Frees the memory of what was given away for the time of one request only. */
  async spill(): Promise<void> {
    // What could not be stored stays where it is; the request that sent it will fail by itself.
    await this.save().catch(() => undefined);
    this.dropCopies();
  }

  /** Everything in memory, for a blob that is not sent in parts. */
  async load(): Promise<Iterable<Uint8Array>> {
    this.#pinned = true;
    await this.#saving;
    for (const segment of this.#segments) if (!segment.inMemory) await this.#recall(segment);
    return this.#inMemory();
  }

  async #recall(segment: Segment): Promise<void> {
    const { memory } = this.#parts;
    await memory.take(this, segment.length);
    try {
      segment.fill(await this.#read(segment));
    } catch (error) {
      memory.give(this, segment.length);
      throw error;
    }
  }

  async #read(segment: Segment): Promise<Uint8Array[]> {
    const { name, etag } = this.#placeOf(segment);
    const chunks = await this.#parts.bucket.read(name, etag);
    const length = chunks?.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (chunks === undefined || length !== segment.length) throw this.#pieceGone();
    return chunks;
  }

  /**
   * All bytes as often as wanted, from memory and from the bucket; nothing may be added any more.
   * @param known SHA-256 of all of them in hex, where somebody knows
   */
  async body(known?: string): Promise<Body> {
    this.#pinned = true;
    await this.#saving;
    const inMemory = this.#inMemoryBytes() === this.#length;
    const sha256 = this.#parts.prove ? (known ?? this.#hash?.copy().digest('hex')) : undefined;
    const bytes = () => (inMemory ? this.#inMemory() : this.#bytes());
    return { length: this.#length, sha256: sha256 ?? (inMemory ? this.#sha256(this.#inMemory()) : undefined), bytes };
  }

  /** Frees all memory; the names of what is left in the bucket. */
  async release(): Promise<string[]> {
    this.#released = true;
    await this.#saving;
    for (const segment of this.#segments) this.#drop(segment);
    return this.#segments.flatMap(({ stored }) => (stored === undefined ? [] : [stored.name]));
  }

  async #save(): Promise<void> {
    const { bucket, layout, creation } = this.#parts;
    for (const segment of this.#segments) {
      if (segment === this.#open || segment.stored !== undefined || this.#released) continue;
      const name = layout.piece(this.#id, segment.offset);
      const body = { length: segment.length, sha256: this.#sha256(segment.bytes()), bytes: () => segment.bytes() };
      segment.stored = { name, etag: await bucket.put(name, body, creation) };
    }
  }

  #sha256(all: Iterable<Uint8Array>): string | undefined {
    if (!this.#parts.prove) return undefined;
    const hash = createHash('sha256');
    for (const bytes of all) hash.update(bytes);
    return hash.digest('hex');
  }

  #drop(segment: Segment): void {
    this.#parts.memory.give(this, segment.drop());
  }

  *#inMemory(): Generator<Uint8Array> {
    for (const segment of this.#segments) yield* segment.bytes();
  }

  async *#bytes(): AsyncGenerator<Uint8Array> {
    for (const segment of this.#segments) {
      if (segment.inMemory) yield* segment.bytes();
      else yield* this.#fetch(segment);
    }
  }

  async *#fetch(segment: Segment): AsyncGenerator<Uint8Array> {
    const { name, etag } = this.#placeOf(segment);
    const content = await this.#parts.bucket.get(name, { etag });
    if (content === undefined || content.size !== segment.length) {
      content?.body.destroy();
      throw this.#pieceGone();
    }
    yield* content.body as AsyncIterable<Uint8Array>;
  }

  #placeOf({ stored }: Segment): NonNullable<Segment['stored']> {
    if (stored === undefined) throw new Error('bytes of an upload are neither in memory nor in the bucket');
    return stored;
  }

  #pieceGone(): StoreError {
    return new StoreError('io', `a piece of upload ${this.#id} is gone from the bucket; the upload has to begin again`);
  }
}
