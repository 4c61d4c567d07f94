/** Names that are known by number: as many as there are bits for them in an object's set of names. */
const most = 31;
/** No name with anything else in it is known: its bytes would not be those of its text. */
const plain = /^[ !#-[\]-~]*$/;

/** Names of members, by number: the same few stand in each of a million objects, mostly in the same order. */
export class MemberNames {
  readonly #texts: string[] = [];
  /** Up to and with the quote at its end. */
  readonly #bytes: Buffer[] = [];
  /** Of each name, which one came after it the last time. */
  readonly #next = new Uint8Array(most);
  #last = 0;

  /** @param names the first of all, in this order */
  constructor(names: readonly string[]) {
    for (const name of names) this.numberOf(name);
  }

  /** The number of the name whose bytes begin here; undefined where it is not known. */
  find(bytes: Buffer, at: number): number | undefined {
    const guess = this.#next[this.#last] ?? 0;
    const found = this.#begins(guess, bytes, at) ? guess : this.#search(bytes, at);
    if (found < 0) return undefined;
    this.#next[this.#last] = found;
    this.#last = found;
    return found;
  }

  #search(bytes: Buffer, at: number): number {
    for (let name = 0; name < this.#bytes.length; name++) if (this.#begins(name, bytes, at)) return name;
    return -1;
  }

  #begins(name: number, bytes: Buffer, at: number): boolean {
    const wanted = this.#bytes[name];
    if (wanted === undefined) return false;
    for (let index = 0; index < wanted.length; index++) if (bytes[at + index] !== wanted[index]) return false;
    return true;
  }

  /** The number of a name, which is known from now on; undefined where there are too many, or it cannot be. */
  numberOf(text: string): number | undefined {
    const known = this.#texts.indexOf(text);
    if (known >= 0) return known;
    if (this.#texts.length === most || !plain.test(text)) return undefined;
    this.#bytes.push(Buffer.from(`${text}"`));
    return this.#texts.push(text) - 1;
  }

  text(name: number): string {
    return this.#texts[name] ?? '';
  }

  /** Bytes up to and with the quote at its end. */
  length(name: number): number {
    return this.#bytes[name]?.length ?? 0;
  }
}
