const width = 32;
const words = width / 4;
const prefix = 'sha256:';
const prefixBytes = Buffer.from(prefix);
/** Bytes of the text of a digest of sha256. */
export const textLength = prefix.length + 2 * width;
const hexDigits = Buffer.from('0123456789abcdef');
/** Digests in one buffer: the first one grows up to this. */
const bits = 12;
const chunk = 2 ** bits;
const mask = chunk - 1;

/** Of each character code: its value as a lower-case hex digit, -1 where it is none. */
const hexValue = Int8Array.from({ length: 128 }, (_, code) => '0123456789abcdef'.indexOf(String.fromCharCode(code)));

interface Chunk {
  readonly bytes: Buffer<ArrayBuffer>;
  readonly words: Int32Array;
}

/** Digests in a row: those of sha256 as their 32 bytes, the few others as texts. */
export class Digests {
  readonly #chunks: Chunk[] = [];
  readonly #others = new Map<number, string>();
  readonly #text = Buffer.allocUnsafe(textLength);
  readonly #sha256 = new Uint8Array(width);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @param digest the 32 bytes of one of sha256, or a text */
  push(digest: string | Uint8Array): void {
    const { bytes } = this.#lastChunk();
    const start = (this.#length & mask) * width;
    const sha256 = typeof digest === 'string' ? this.#read(digest) : digest;
    for (let at = 0; at < width; at++) bytes[start + at] = sha256?.[at] ?? 0;
    if (sha256 === undefined) this.#others.set(this.#length, digest as string);
    this.#length++;
  }

  /**
   * @param digests the 32 bytes of each, one after another
   * @param others texts of those that are none of sha256, by their position among these
   */
  pushAll(digests: Uint8Array, others: ReadonlyMap<number, string>): void {
    for (const [index, text] of others) this.#others.set(this.#length + index, text);
    for (let done = 0; done < digests.length; ) {
      const { bytes } = this.#lastChunk();
      const start = (this.#length & mask) * width;
      const some = digests.subarray(done, done + bytes.length - start);
      bytes.set(some, start);
      this.#length += some.length / width;
      done += some.length;
    }
  }

  /** As bytes first, because texts are often in parts that each character is looked for in. */
  #read(digest: string): Uint8Array | undefined {
    const isWhole = digest.length === textLength && this.#text.write(digest) === textLength;
    return isWhole && readSha256(this.#text, 0, this.#sha256) ? this.#sha256 : undefined;
  }

  /** Takes the last one back. */
  pop(): string {
    const last = this.at(--this.#length);
    this.#others.delete(this.#length);
    return last;
  }

  at(position: number): string {
    const start = (position & mask) * width;
    const bytes = this.#chunks[position >> bits]?.bytes;
    return this.other(position) ?? `${prefix}${bytes?.toString('hex', start, start + width)}`;
  }

  /** Writes the text of one of sha256, `textLength` bytes. @returns false where it is another, of which nothing is written */
  write(position: number, into: Uint8Array, at: number): boolean {
    const bytes = this.#chunks[position >> bits]?.bytes;
    if (bytes === undefined || this.other(position) !== undefined) return false;
    const start = (position & mask) * width;
    into.set(prefixBytes, at);
    const first = at + prefix.length;
    for (let index = 0; index < width; index++) {
      const byte = bytes[start + index] ?? 0;
      into[first + 2 * index] = hexDigits[byte >> 4] ?? 0;
      into[first + 2 * index + 1] = hexDigits[byte & 0xf] ?? 0;
    }
    return true;
  }

  /** The text, where it is none of sha256. */
  other(position: number): string | undefined {
    return this.#others.size === 0 ? undefined : this.#others.get(position);
  }

  /** Less than zero where the text of `a` sorts before that of `b`. Hex sorts as the bytes do. */
  compare(a: number, b: number): number {
    if (this.#others.size > 0 && (this.#others.has(a) || this.#others.has(b)))
      return this.at(a) < this.at(b) ? -1 : Number(a !== b);
    const [left, right] = [this.#chunks[a >> bits]?.bytes, this.#chunks[b >> bits]?.bytes];
    const [leftStart, rightStart] = [(a & mask) * width, (b & mask) * width];
    for (let at = 0; at < width; at++) {
      const difference = (left?.[leftStart + at] ?? 0) - (right?.[rightStart + at] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** A number that is smaller only where the text sorts before: the first six bytes. Where there are other digests, always 0. */
  key(position: number): number {
    if (this.#others.size > 0) return 0;
    return this.#chunks[position >> bits]?.bytes.readUIntBE((position & mask) * width, 6) ?? 0;
  }

  /** Whether two digests of sha256 are the same. */
  same(position: number, others: Digests, other: number): boolean {
    const left = this.#chunks[position >> bits]?.words;
    const right = others.#chunks[other >> bits]?.words;
    const [leftStart, rightStart] = [(position & mask) * words, (other & mask) * words];
    for (let word = 0; word < words; word++) if (left?.[leftStart + word] !== right?.[rightStart + word]) return false;
    return true;
  }

  /** 32 bits of a digest of sha256: of both of its ends, because of those that people make up only one differs. */
  hash(position: number): number {
    const row = this.#chunks[position >> bits]?.words;
    const start = (position & mask) * words;
    const ends = (row?.[start] ?? 0) ^ Math.imul(row?.[start + words - 1] ?? 0, 0x85ebca6b);
    const hash = Math.imul(ends ^ (ends >>> 16), 0x9e3779b1);
    return hash ^ (hash >>> 15);
  }

  /** With room for one more. */
  #lastChunk(): Chunk {
    const place = this.#length & mask;
    const last = this.#chunks[this.#length >> bits];
    if (last !== undefined && place * width < last.bytes.length) return last;
    const memory = new ArrayBuffer(width * (this.#length < chunk ? Math.max(16, 2 * place) : chunk));
    const larger = { bytes: Buffer.from(memory), words: new Int32Array(memory) };
    if (last !== undefined) larger.bytes.set(last.bytes);
    this.#chunks[this.#length >> bits] = larger;
    return larger;
  }
}

/** Reads the 32 bytes out of the text of a digest. @returns false where it is none of sha256; some bytes are written then too */
export function readSha256(text: Uint8Array, from: number, into: Uint8Array): boolean {
  for (let at = 0; at < prefixBytes.length; at++) if (text[from + at] !== prefixBytes[at]) return false;
  for (let at = 0; at < width; at++) {
    const high = hexValue[text[from + prefix.length + 2 * at] ?? 0] ?? -1;
    const low = hexValue[text[from + prefix.length + 2 * at + 1] ?? 0] ?? -1;
    if ((high | low) < 0) return false;
    into[at] = (high << 4) | low;
  }
  return true;
}

/**
 * Where a digest is in a row: four bytes for a place, and at least half of the places free. A place holds the position and one, so
 * that 0 is a free place, and above it as many bits of the digest's hash as there is room for: nearly always they tell another digest
 * without a look at it, which would miss the processor's caches.
 */
export class DigestIndex {
  readonly #digests: Digests;
  readonly #others = new Map<string, number>();
  #places = new Int32Array(32);

  constructor(digests: Digests) {
    this.#digests = digests;
  }

  /** Notes the digest at a position, after all before it. @returns false where it is known already, at another */
  add(position: number): boolean {
    const other = this.#digests.other(position);
    if (other !== undefined) {
      if (this.#others.has(other)) return false;
      this.#others.set(other, position);
      return true;
    }
    if (position * 2 >= this.#places.length) this.#grow(position);
    const hash = this.#digests.hash(position);
    const place = this.#placeOf(hash, this.#digests, position);
    if (this.#places[place] !== 0) return false;
    this.#places[place] = (hash & ~(this.#places.length - 1)) | (position + 1);
    return true;
  }

  /** The position of a digest of another row; -1 where it is not here. */
  find(others: Digests, position: number): number {
    const other = others.other(position);
    if (other !== undefined) return this.#others.get(other) ?? -1;
    const known = this.#places[this.#placeOf(others.hash(position), others, position)] ?? 0;
    return (known & (this.#places.length - 1)) - 1;
  }

  /** The place of a digest, or the free one where it would be. */
  #placeOf(hash: number, digests: Digests, position: number): number {
    const places = this.#places;
    const last = places.length - 1;
    let place = hash & last;
    for (;;) {
      const known = places[place] ?? 0;
      if (known === 0) return place;
      if (((known ^ hash) & ~last) === 0 && digests.same(position, this.#digests, (known & last) - 1)) return place;
      place = (place + 1) & last;
    }
  }

  /** In the order in which the digests lie in memory; all before this one differ. */
  #grow(length: number): void {
    let last = 2 * this.#places.length - 1;
    while (2 * length > last) last = 2 * last + 1;
    const places = new Int32Array(last + 1);
    for (let position = 0; position < length; position++) {
      if (this.#digests.other(position) !== undefined) continue;
      const hash = this.#digests.hash(position);
      let place = hash & last;
      while (places[place] !== 0) place = (place + 1) & last;
      places[place] = (hash & ~last) | (position + 1);
    }
    this.#places = places;
  }
}
