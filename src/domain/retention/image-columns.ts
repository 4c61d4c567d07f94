import type { EncodedImage } from './image.ts';
import type { TextBytes } from './tag-column.ts';
import { Texts } from './texts.ts';

/** Of a digest of sha256. */
const width = 32;

/** What few images have: digests of others. */
export interface ImageEnds {
  readonly children: readonly string[] | undefined;
  readonly subject: string | undefined;
}

/** Images in columns, as one thread gives them to another. */
export interface ImageColumns {
  readonly length: number;
  /** 32 bytes each; of no meaning where `otherDigests` has a text. */
  readonly digests: Uint8Array;
  /** Those that are none of sha256, by position. */
  readonly otherDigests: ReadonlyMap<number, string>;
  /** Milliseconds since the epoch. */
  readonly pushed: Float64Array<ArrayBuffer>;
  /** NaN where it was never pulled. */
  readonly pulled: Float64Array<ArrayBuffer>;
  /** Bytes. */
  readonly sizes: Float64Array<ArrayBuffer>;
  readonly tags: TextBytes;
  /** How many of `tags` there are up to and with those of each image. */
  readonly tagsUpTo: Uint32Array;
  /** By position. */
  readonly ends: ReadonlyMap<number, ImageEnds>;
}

/** Puts images in columns. */
export class ImageBatch {
  #length = 0;
  #digests = new Uint8Array(16 * width);
  #pushed = new Float64Array(16);
  #pulled = new Float64Array(16);
  #sizes = new Float64Array(16);
  #tagsUpTo = new Uint32Array(16);
  readonly #tags = new Texts();
  #otherDigests = new Map<number, string>();
  #ends = new Map<number, ImageEnds>();

  get length(): number {
    return this.#length;
  }

  add({ digest, tags, pushedAt, pulledAt = Number.NaN, size = 0, children, subject }: EncodedImage): void {
    const position = this.#length++;
    if (position === this.#pushed.length) this.#makeRoom();
    this.#addDigest(position, digest);
    this.#pushed[position] = pushedAt;
    this.#pulled[position] = pulledAt;
    this.#sizes[position] = size;
    for (let tag = 0; tag < tags.length; tag++) this.#tags.addBytes(tags.bytes, tags.start(tag), tags.end(tag));
    this.#tagsUpTo[position] = this.#tags.length;
    if (children.length > 0 || subject !== undefined) this.#ends.set(position, { children, subject });
  }

  #addDigest(position: number, digest: Uint8Array | string): void {
    if (typeof digest === 'string') this.#otherDigests.set(position, digest);
    else for (let at = 0; at < width; at++) this.#digests[position * width + at] = digest[at] ?? 0;
  }

  /** What was added, as columns in memory of their own; what is added next is a new batch. */
  take(): ImageColumns {
    const length = this.#length;
    const tags = this.#tags;
    const columns = {
      length,
      digests: this.#digests.slice(0, length * width),
      otherDigests: this.#otherDigests,
      pushed: this.#pushed.slice(0, length),
      pulled: this.#pulled.slice(0, length),
      sizes: this.#sizes.slice(0, length),
      tags: {
        bytes: new Uint8Array(tags.bytes.subarray(0, tags.start(tags.length))),
        ends: tags.ends.slice(0, tags.length),
      },
      tagsUpTo: this.#tagsUpTo.slice(0, length),
      ends: this.#ends,
    };
    this.#length = 0;
    tags.clear();
    this.#otherDigests = new Map();
    this.#ends = new Map();
    return columns;
  }

  #makeRoom(): void {
    this.#digests = twice(this.#digests);
    this.#pushed = twice(this.#pushed);
    this.#pulled = twice(this.#pulled);
    this.#sizes = twice(this.#sizes);
    this.#tagsUpTo = twice(this.#tagsUpTo);
  }
}

/** The memory of columns that another thread may have. */
export function buffersOf({ digests, pushed, pulled, sizes, tags, tagsUpTo }: ImageColumns): ArrayBuffer[] {
  return [digests, pushed, pulled, sizes, tags.bytes, tags.ends, tagsUpTo].map(({ buffer }) => buffer as ArrayBuffer);
}

/** Gives memory of columns back that nobody needs any more. A collector that sees little else to do would come late. */
export function release(columns: ImageColumns): void {
  for (const buffer of buffersOf(columns)) buffer.transfer(0);
}

function twice<Row extends { length: number; set(row: Row): void }>(row: Row): Row {
  const larger = new (row.constructor as new (length: number) => Row)(2 * row.length);
  larger.set(row);
  return larger;
}
