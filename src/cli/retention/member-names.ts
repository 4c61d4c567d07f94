/** Names that are known by number: as many as there are bits for them in an object's set of names. */
const most = 31;
/** No name with anything else in it is known: its bytes would not be those of its text. */
const plain = /^[ !#-[\]-~]*$/;

/** The bytes of a name, up to and with the quote at its end, four at a time. */
interface Encoded {
  readonly length: number;
  readonly words: Int32Array;
  /** Of the last word: the bytes that are the name's. */
  readonly mask: number;
}

/** Names of members, by number: the same few stand in each of a million objects, mostly in the same order. */
export class MemberNames {
  readonly #texts: string[] = [];
  readonly #encoded: Encoded[] = [];
  /** Of each name, which one came after it the last time. */
  readonly #next = new Uint8Array(most);
  #last = 0;

  /** @param names the first of all, in this order */
  constructor(names: readonly string[]) {
    for (const name of names) this.numberOf(name);
  }

  /** The number of the name whose bytes begin here; undefined where it is not known. */
  find(bytes: DataView, at: number): number | undefined {
    const guess = this.#next[this.#last] ?? 0;
    const found = this.#begins(guess, bytes, at) ? guess : this.#search(bytes, at);
    if (found < 0) return undefined;
    this.#next[this.#last] = found;
    this.#last = found;
    return found;
  }

  #search(bytes: DataView, at: number): number {
    for (let name = 0; name < this.#encoded.length; name++) if (this.#begins(name, bytes, at)) return name;
    return -1;
  }

  #begins(name: number, bytes: DataView, at: number): boolean {
    const wanted = this.#encoded[name];
    if (wanted === undefined || at + 4 * wanted.words.length > bytes.byteLength) return false;
    const { words, mask } = wanted;
    const last = words.length - 1;
    for (let index = 0; index < last; index++) if (bytes.getInt32(at + 4 * index, true) !== words[index]) return false;
    return ((bytes.getInt32(at + 4 * last, true) ^ (words[last] ?? 0)) & mask) === 0;
  }

  /** The number of a name, which is known from now on; undefined where there are too many, or it cannot be. */
  numberOf(text: string): number | undefined {
    const known = this.#texts.indexOf(text);
    if (known >= 0) return known;
    if (this.#texts.length === most || !plain.test(text)) return undefined;
    this.#encoded.push(encoded(`${text}"`));
    return this.#texts.push(text) - 1;
  }

  text(name: number): string {
    return this.#texts[name] ?? '';
  }

  /** Bytes up to and with the quote at its end. */
  length(name: number): number {
    return this.#encoded[name]?.length ?? 0;
  }
}

function encoded(text: string): Encoded {
  const { length } = text;
  const bytes = Buffer.alloc(4 * Math.ceil(length / 4));
  bytes.write(text, 'latin1');
  const words = Int32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readInt32LE(4 * index));
  return { length, words, mask: -1 >>> (8 * (bytes.length - length)) };
}
