import { InvalidJson } from '../../domain/json.ts';

/** Thrown where the text goes on past what is there: the same read again, with more of it, may succeed. */
export const needMore = new Error('more of the text is needed');

const quote = 0x22;
const backslash = 0x5c;
const deepest = 32;
const chunk = 1024 * 1024;
const numberGrammar = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/;
const literals: Record<number, string> = { 116: 'true', 102: 'false', 110: 'null' };

/**
 * Reads JSON out of bytes as strictly as `parseStrictJson` does, value by value, for texts that do not fit in memory. Whoever
 * uses it moves it on by what it reads, and gives it more where it throws `needMore`.
 */
export class JsonCursor {
  #window = Buffer.allocUnsafeSlow(chunk);
  /** What of the window is there. */
  #bytes = this.#window.subarray(0, 0);
  /** Offset in the whole text of the first of the bytes. */
  #before = 0;
  #at = 0;
  #isLast = false;
  /** Keys by their length and ends. */
  readonly #known = new Map<number, Buffer & { text: string }>();
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  /** Where it is, in bytes of the whole text: what `goBack` takes. */
  get position(): number {
    return this.#before + this.#at;
  }

  /** Bytes that were not read yet. */
  get waiting(): number {
    return this.#bytes.length - this.#at;
  }

  goBack(position: number): void {
    this.#at = position - this.#before;
  }

  /** Drops what was read, and has `fill` write more behind what was not. It answers how many bytes; none at the end of the text. */
  async more(fill: (room: Buffer) => Promise<number>): Promise<void> {
    const left = this.#bytes.subarray(this.#at);
    const window = left.length > chunk / 2 ? Buffer.allocUnsafeSlow(4 * left.length) : this.#window;
    left.copy(window);
    this.#window = window;
    this.#before += this.#at;
    this.#at = 0;
    const added = await fill(window.subarray(left.length));
    this.#isLast = added === 0;
    this.#bytes = window.subarray(0, left.length + added);
  }

  /** The next character that is no space, which is not read yet: its code. */
  peek(): number {
    return this.#skipSpace() ?? this.#ended();
  }

  /** Whether nothing but space is left. */
  isAtEnd(): boolean {
    if (this.#skipSpace() !== undefined) return false;
    if (!this.#isLast) throw needMore;
    return true;
  }

  #skipSpace(): number | undefined {
    for (;;) {
      const code = this.#bytes[this.#at];
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.#at++;
    }
  }

  /** Reads this character if it is the next. */
  skip(character: string): boolean {
    if (this.peek() !== character.charCodeAt(0)) return false;
    this.#at++;
    return true;
  }

  expect(character: string): void {
    if (!this.skip(character)) throw this.wrong(`${character} is expected`);
  }

  wrong(problem: string): InvalidJson {
    return new InvalidJson(`not valid JSON: ${problem} at byte ${this.position}`);
  }

  string(): string {
    const { start, end, isPlain } = this.#passString();
    return isPlain ? this.#bytes.toString('latin1', start, end) : this.#decode(start, end);
  }

  /** A string that came before, mostly: keys are not made again for each of a million objects. */
  #key(): string {
    const { start, end, isPlain } = this.#passString();
    const name = ((end - start) << 16) | ((this.#bytes[start] ?? 0) << 8) | (this.#bytes[end - 1] ?? 0);
    const known = this.#known.get(name);
    if (isPlain && known !== undefined && this.#bytes.compare(known, 0, known.length, start, end) === 0)
      return known.text;
    const text = isPlain ? this.#bytes.toString('latin1', start, end) : this.#decode(start, end);
    if (isPlain) this.#known.set(name, Object.assign(Buffer.from(text), { text }));
    return text;
  }

  /** Plain is what has no escapes, and nothing past ASCII. */
  #passString(): { start: number; end: number; isPlain: boolean } {
    this.expect('"');
    const bytes = this.#bytes;
    const start = this.#at;
    let seen = 0;
    for (let at = start; at < bytes.length; at++) {
      const code = bytes[at] ?? 0;
      if (code === quote) {
        this.#at = at + 1;
        return { start, end: at, isPlain: seen < 0x80 };
      }
      if (code < 0x20) throw this.wrong('a string has a control character');
      seen |= code;
      if (code !== backslash) continue;
      seen = 0x80;
      at++;
    }
    return this.#ended();
  }

  #decode(start: number, end: number): string {
    let text: string;
    try {
      text = this.#decoder.decode(this.#bytes.subarray(start, end));
    } catch {
      throw this.wrong('a string is not UTF-8');
    }
    try {
      return JSON.parse(`"${text}"`) as string;
    } catch {
      throw this.wrong('a string has an escape that does not exist');
    }
  }

  number(): number {
    this.peek();
    const start = this.#at;
    let at = start;
    while (isOfNumber(this.#bytes[at])) at++;
    if (at === this.#bytes.length && !this.#isLast) throw needMore;
    const text = this.#bytes.toString('latin1', start, at);
    if (!numberGrammar.test(text)) throw this.wrong('a value is expected');
    const value = Number(text);
    if (!Number.isFinite(value)) throw this.wrong('a number is too large');
    if (Number.isInteger(value) && !Number.isSafeInteger(value))
      throw this.wrong('a number is past 2^53 and would lose digits');
    this.#at = at;
    return value;
  }

  /** Reads an object: `member` has to read the value of each key. */
  object(member: (key: string) => void): void {
    this.expect('{');
    if (this.skip('}')) return;
    const keys: string[] = [];
    do {
      const key = this.#key();
      if (keys.length < 16 ? keys.includes(key) : new Set(keys).has(key))
        throw this.wrong(`the key ${JSON.stringify(key.slice(0, 64))} stands twice in one object`);
      keys.push(key);
      this.expect(':');
      member(key);
    } while (this.skip(','));
    this.expect('}');
  }

  /** Reads a list: `item` has to read each. */
  list(item: () => void): void {
    this.expect('[');
    if (this.skip(']')) return;
    do item();
    while (this.skip(','));
    this.expect(']');
  }

  /** Reads a value that nobody wants, with the same care. */
  pass(depth = 0): void {
    if (depth > deepest) throw this.wrong(`nested deeper than ${deepest} levels`);
    const code = this.peek();
    const literal = literals[code];
    if (code === quote) this.#passText();
    else if (code === 0x7b) this.object(() => this.pass(depth + 1));
    else if (code === 0x5b) this.list(() => this.pass(depth + 1));
    else if (literal === undefined) this.number();
    else for (const character of literal) this.#exactly(character);
  }

  #passText(): void {
    const { start, end, isPlain } = this.#passString();
    if (!isPlain) this.#decode(start, end);
  }

  /** Reads `null` if it is next. */
  isNull(): boolean {
    if (this.peek() !== 0x6e) return false;
    this.pass();
    return true;
  }

  #exactly(character: string): void {
    const code = this.#bytes[this.#at];
    if (code === undefined) this.#ended();
    if (code !== character.charCodeAt(0)) throw this.wrong('a value is expected');
    this.#at++;
  }

  #ended(): never {
    throw this.#isLast ? this.wrong('the text ends too early') : needMore;
  }
}

function isOfNumber(code: number | undefined): boolean {
  if (code === undefined) return false;
  return (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x2b || code === 0x2e || (code | 0x20) === 0x65;
}
