import { Growing } from './growing.ts';
import { subjectOfTag } from './image.ts';
import type { Matcher } from './pattern.ts';

/** Tags lie in chunks of so many bytes, none in two of them. */
const bits = 18;
const chunk = 2 ** bits;
const mask = chunk - 1;
/** More would not fit the offsets, nor the memory of anybody. */
const mostBytes = 2 ** 31 - chunk;
/** In an offset: the tag is one of the referrers' scheme, which the rules do not see. */
const referring = 2 ** 31;

/** Of `sha256-…`. */
const firstOfReferring = 0x73;

const nothing = Buffer.alloc(0);
const none: readonly string[] = [];

/** Texts one after another. */
export interface TextBytes {
  readonly bytes: Uint8Array;
  /** Where each ends. */
  readonly ends: Uint32Array;
}

/** The tags of images in a row, as the bytes of their texts one after another. */
export class TagColumn {
  readonly #chunks: Buffer[] = [];
  #used = 0;
  /** Where each tag ends, and whether it is `referring`. */
  readonly #ends = new Growing(Uint32Array);
  /** How many tags there are up to and with those of an image. */
  readonly #upTo = new Growing(Uint32Array);

  /**
   * Those of the next image: the texts from `first` up to `last`.
   * @returns the digests that tags of the referrers' scheme refer to
   * @throws RangeError for tags of more than 2 GiB, or one of more than 256 KiB
   */
  push({ bytes, ends }: TextBytes, first: number, last: number): readonly string[] {
    let subjects = none;
    let to = first === 0 ? 0 : (ends[first - 1] ?? 0);
    for (let tag = first; tag < last; tag++) {
      const from = to;
      to = ends[tag] ?? 0;
      const chunkBytes = this.#roomFor(to - from);
      const start = this.#used & mask;
      for (let at = from; at < to; at++) chunkBytes[start + at - from] = bytes[at] ?? 0;
      this.#used += to - from;
      // Nearly every tag ends here.
      const subject = bytes[from] === firstOfReferring ? subjectOfTag(textIn(bytes, from, to)) : undefined;
      if (subject !== undefined) subjects = [...subjects, subject];
      this.#ends.push(subject === undefined ? this.#used : this.#used + referring);
    }
    this.#upTo.push(this.#ends.length);
    return subjects;
  }

  /** All tags of an image, in the order in which they came. */
  of(image: number): string[] {
    const tags: string[] = [];
    this.each(image, (bytes, start, end) => tags.push(bytes.toString('utf8', start, end)));
    return tags;
  }

  /** The same as bytes. */
  each(image: number, visit: (bytes: Buffer, start: number, end: number) => unknown): void {
    const everything: Matcher = (bytes, start, end) => {
      visit(bytes as Buffer, start, end);
      return false;
    };
    this.#find(image, everything, true);
  }

  /** Whether it has any that the rules see. */
  has(image: number): boolean {
    const end = this.#upTo.at(image);
    for (let tag = this.#first(image); tag < end; tag++) if (this.#ends.at(tag) < referring) return true;
    return false;
  }

  /** Whether one of those that the rules see matches. */
  some(image: number, matches: Matcher): boolean {
    return this.#find(image, matches, false);
  }

  /** The first that does. */
  find(image: number, matches: Matcher): string | undefined {
    let found: string | undefined;
    const noted: Matcher = (bytes, start, end) => {
      if (!matches(bytes, start, end)) return false;
      found = (bytes as Buffer).toString('utf8', start, end);
      return true;
    };
    return this.#find(image, noted, false) ? found : undefined;
  }

  #find(image: number, matches: Matcher, evenReferring: boolean): boolean {
    const first = this.#first(image);
    const last = this.#upTo.at(image);
    let before = first === 0 || first === last ? 0 : this.#ends.at(first - 1) & ~referring;
    for (let tag = first; tag < last; tag++) {
      const noted = this.#ends.at(tag);
      const end = noted & ~referring;
      // A tag that did not fit in the chunk begins with the next one.
      const start = end === before ? before : Math.max(before, (end - 1) & ~mask);
      before = end;
      if (noted >= referring && !evenReferring) continue;
      const within = start & mask;
      if (matches(this.#chunks[start >> bits] ?? nothing, within, within + end - start)) return true;
    }
    return false;
  }

  #first(image: number): number {
    return image === 0 ? 0 : this.#upTo.at(image - 1);
  }

  /** The chunk in which so many bytes go at `#used`, which is moved to the next one where they do not fit in this. */
  #roomFor(length: number): Buffer {
    if (length > chunk) throw new RangeError(`a tag has ${length} bytes`);
    // Offsets have 31 bits, so that they can be masked.
    let place = this.#used & mask;
    if (place + length > chunk) {
      this.#used += chunk - place;
      place = 0;
    }
    if (this.#used + length > mostBytes) throw new RangeError('the tags of the repository take more than 2 GiB');
    const index = this.#used >> bits;
    const known = this.#chunks[index] ?? nothing;
    const needed = place + length;
    if (needed <= known.length && known.length > 0) return known;
    const larger = Buffer.allocUnsafeSlow(index > 0 ? chunk : Math.min(chunk, Math.max(256, 2 * needed)));
    larger.set(known);
    this.#chunks[index] = larger;
    return larger;
  }
}

function textIn(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString();
}
