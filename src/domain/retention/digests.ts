import { withRoom } from './growing.ts';

const width = 32;
const sha256 = /^sha256:[a-f0-9]{64}$/;

/** Digests in a row: those of sha256 as their 32 bytes in one buffer, the few others as texts. */
export class Digests {
  #bytes = new Uint8Array(0);
  #buffer = Buffer.from(this.#bytes.buffer);
  #words = new Int32Array(0);
  #others: Map<number, string> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(digest: string): void {
    this.#makeRoom();
    if (sha256.test(digest)) this.#buffer.write(digest.slice(7), this.#length * width, 'hex');
    else {
      this.#others ??= new Map();
      this.#others.set(this.#length, digest);
    }
    this.#length++;
  }

  at(position: number): string {
    const start = position * width;
    return this.#others?.get(position) ?? `sha256:${this.#buffer.toString('hex', start, start + width)}`;
  }

  /** Takes the last one back. */
  pop(): void {
    this.#length--;
    this.#others?.delete(this.#length);
    this.#bytes.fill(0, this.#length * width, (this.#length + 1) * width);
  }

  /** The text, where it is none of sha256. */
  other(position: number): string | undefined {
    return this.#others?.get(position);
  }

  /** Less than zero where the text of `a` sorts before that of `b`. Hex sorts as the bytes do. */
  compare(a: number, b: number): number {
    if (this.#others !== undefined && (this.#others.has(a) || this.#others.has(b)))
      return this.at(a) < this.at(b) ? -1 : Number(a !== b);
    const [left, right] = [a * width, b * width];
    for (let at = 0; at < width; at++) {
      const difference = (this.#bytes[left + at] ?? 0) - (this.#bytes[right + at] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** Whether two digests of sha256 are the same. */
  same(position: number, others: Digests, other: number): boolean {
    const [left, right] = [position * 8, other * 8];
    for (let word = 0; word < 8; word++) if (this.#words[left + word] !== others.#words[right + word]) return false;
    return true;
  }

  /** 32 bits of all of a digest of sha256. */
  hash(position: number): number {
    let hash = 0;
    for (let word = position * 8; word < position * 8 + 8; word++) {
      hash = Math.imul(hash ^ (this.#words[word] ?? 0), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  #makeRoom(): void {
    const needed = (this.#length + 1) * width;
    if (needed <= this.#bytes.length) return;
    this.#bytes = withRoom(this.#bytes, needed);
    this.#buffer = Buffer.from(this.#bytes.buffer);
    this.#words = new Int32Array(this.#bytes.buffer);
  }
}

/** Where a digest is in a row: four bytes for a place, and at least half of the places free. */
export class DigestIndex {
  readonly #digests: Digests;
  readonly #others = new Map<string, number>();
  /** Position and one, so that 0 is a free place. */
  #places = new Uint32Array(32);
  #taken = 0;

  constructor(digests: Digests) {
    this.#digests = digests;
  }

  /** Notes the digest at a position. @returns false where it is known already, at another */
  add(position: number): boolean {
    const other = this.#digests.other(position);
    if (other !== undefined) {
      if (this.#others.has(other)) return false;
      this.#others.set(other, position);
      return true;
    }
    if (this.#taken * 2 >= this.#places.length) this.#grow();
    const place = this.#placeOf(this.#digests, position);
    if (this.#places[place] !== 0) return false;
    this.#places[place] = position + 1;
    this.#taken++;
    return true;
  }

  /** The position of a digest of another row; -1 where it is not here. */
  find(others: Digests, position: number): number {
    const other = others.other(position);
    if (other !== undefined) return this.#others.get(other) ?? -1;
    return (this.#places[this.#placeOf(others, position)] ?? 0) - 1;
  }

  /** The place of a digest, or the free one where it would be. */
  #placeOf(digests: Digests, position: number): number {
    const mask = this.#places.length - 1;
    let place = digests.hash(position) & mask;
    for (;;) {
      const known = this.#places[place] ?? 0;
      if (known === 0 || digests.same(position, this.#digests, known - 1)) return place;
      place = (place + 1) & mask;
    }
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new Uint32Array(before.length * 2);
    for (const known of before) if (known !== 0) this.#places[this.#placeOf(this.#digests, known - 1)] = known;
  }
}
