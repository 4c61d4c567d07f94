import { InvalidJson } from '../../domain/json.ts';
import { readSha256, textLength } from '../../domain/retention/digests.ts';
import { MemberNames } from './member-names.ts';
import { endOfPlain } from './plain-bytes.ts';

/** Thrown where the text goes on past what is there: the same read again, with more of it, may succeed. */
export const needMore = new Error('more of the text is needed');

const quote = 0x22;
const backslash = 0x5c;
const zero = 0x30;
const dot = 0x2e;
const deepest = 32;
/** There is room for as many bytes at least. */
export const leastRoom = 256 * 1024;
/** Bytes behind the room: whoever looks at four at once, and at the one that ends a loop, does not have to look where they lie. */
const slack = 4;
const numberGrammar = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/;
const literals: Record<number, string> = { 116: 'true', 102: 'false', 110: 'null' };
/** All exact, as are numbers of so many digits: the quotient of two such is the number that is nearest. */
const powersOfTen = Float64Array.from({ length: 16 }, (_, power) => Number(`1e${power}`));

const isOfNumber = Uint8Array.from({ length: 256 }, (_, code) =>
  Number('0123456789+-.eE'.includes(String.fromCharCode(code))),
);

/**
 * Reads JSON out of bytes as strictly as `parseStrictJson` does, value by value, for texts that do not fit in memory. Whoever
 * uses it moves it on by what it reads, and gives it more where it throws `needMore`. Nothing becomes a string by itself.
 */
export class JsonCursor {
  /** What is there, and behind it a byte that stands nowhere in JSON: loops end there by themselves. */
  #bytes = Buffer.alloc(2 * leastRoom + slack);
  /** The same, four bytes at a time. */
  #view = viewOf(this.#bytes);
  #end = 0;
  /** Offset in the whole text of the first of the bytes. */
  #before = 0;
  #at = 0;
  #isLast = false;
  /** The content of the string that was read last. */
  #from = 0;
  #to = 0;
  #isPlain = true;
  readonly #names: MemberNames;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  /** @param names of members that `object` tells by their position here */
  constructor(names: readonly string[] = []) {
    this.#names = new MemberNames(names);
  }

  /** Where it is, in bytes of the whole text: what `goBack` takes. */
  get position(): number {
    return this.#before + this.#at;
  }

  /** Bytes that were not read yet. */
  get waiting(): number {
    return this.#end - this.#at;
  }

  goBack(position: number): void {
    this.#at = position - this.#before;
  }

  /** Goes on at any place of the text, of which nothing is there yet. */
  moveTo(position: number): void {
    this.#before = position;
    this.#at = 0;
    this.filled(-this.#end);
    this.#isLast = false;
  }

  /** Drops what was read, and has `fill` write more behind what was not. It answers how many bytes; none at the end of the text. */
  async more(fill: (room: Buffer) => Promise<number>): Promise<void> {
    this.filled(await fill(this.makeRoom()));
  }

  /** Drops what was read. @returns where more is to be written, behind what was not; `filled` says how much it is */
  makeRoom(): Buffer {
    const left = this.#bytes.subarray(this.#at, this.#end);
    const bytes =
      2 * left.length + slack < this.#bytes.length ? this.#bytes : Buffer.allocUnsafeSlow(4 * left.length + slack);
    left.copy(bytes);
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = viewOf(bytes);
    }
    this.#before += this.#at;
    this.#at = 0;
    this.#end = left.length;
    return bytes.subarray(left.length, -slack);
  }

  /** @param added bytes; none at the end of the text */
  filled(added: number): void {
    this.#isLast = added === 0;
    this.#end += added;
    this.#bytes[this.#end] = 0;
  }

  /** The next character that is no space, which is not read yet: its code. */
  peek(): number {
    const code = this.#skipSpace();
    return code === 0 && this.#at >= this.#end ? this.#ended() : code;
  }

  /** Whether nothing but space is left. */
  isAtEnd(): boolean {
    this.#skipSpace();
    if (this.#at < this.#end) return false;
    if (!this.#isLast) throw needMore;
    return true;
  }

  #skipSpace(): number {
    for (;;) {
      const code = this.#bytes[this.#at] ?? 0;
      if (code > 0x20 || (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09)) return code;
      this.#at++;
    }
  }

  /** Reads this character if it is the next. */
  skip(character: string): boolean {
    const code = character.charCodeAt(0);
    // Mostly without a space before it.
    if (this.#bytes[this.#at] !== code && this.peek() !== code) return false;
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
    this.readString();
    return this.text;
  }

  /** Reads a string, which is between `from` and `to` in `bytes` then, escapes and all, until there is more. */
  readString(): void {
    this.expect('"');
    const bytes = this.#bytes;
    let at = endOfPlain(bytes, this.#view, this.#at);
    this.#isPlain = bytes[at] === quote;
    if (!this.#isPlain) at = this.#endOfString(at);
    this.#from = this.#at;
    this.#to = at;
    this.#at = at + 1;
  }

  /** Reads a string if it is a digest of sha256, into 32 bytes: its other bytes need no second look. What else is next is not read. */
  skipSha256(into: Uint8Array): boolean {
    if (this.peek() !== quote) return false;
    const start = this.#at + 1;
    if (!readSha256(this.#bytes, start, into) || this.#bytes[start + textLength] !== quote) return false;
    this.#at = start + textLength + 1;
    return true;
  }

  #endOfString(start: number): number {
    for (let at = start; at < this.#end; at++) {
      const code = this.#bytes[at] ?? 0;
      if (code === quote) return at;
      if (code < 0x20) throw this.wrong('a string has a control character');
      if (code === backslash) at++;
    }
    return this.#ended();
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  get from(): number {
    return this.#from;
  }

  get to(): number {
    return this.#to;
  }

  /** Whether the string that was read last has no escapes, and nothing past ASCII. */
  get isPlain(): boolean {
    return this.#isPlain;
  }

  /** The string that was read last. */
  get text(): string {
    return this.#isPlain ? this.#bytes.toString('latin1', this.#from, this.#to) : this.#decode();
  }

  #decode(): string {
    let text: string;
    try {
      text = this.#decoder.decode(this.#bytes.subarray(this.#from, this.#to));
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
    return this.#simpleNumber() ?? this.#anyNumber();
  }

  /** Of few digits, as nearly all are; any other is not read. */
  #simpleNumber(): number | undefined {
    const bytes = this.#bytes;
    const start = this.#at;
    const point = endOfDigits(bytes, start);
    const at = bytes[point] === dot ? endOfDigits(bytes, point + 1) : point;
    const whole = point - start;
    const decimals = Math.max(0, at - point - 1);
    const isOdd = whole === 0 || at === point + 1 || (whole > 1 && bytes[start] === zero);
    if (isOdd || whole + decimals > 15 || isOfNumber[bytes[at] ?? 0] === 1 || at === this.#end) return undefined;
    this.#at = at;
    let value = 0;
    for (let digit = start; digit < at; digit++) if (digit !== point) value = value * 10 + (bytes[digit] ?? 0) - zero;
    return value / (powersOfTen[decimals] ?? 1);
  }

  #anyNumber(): number {
    const start = this.#at;
    let at = start;
    while (isOfNumber[this.#bytes[at] ?? 0] === 1) at++;
    if (at === this.#end && !this.#isLast) throw needMore;
    const text = this.#bytes.toString('latin1', start, at);
    if (!numberGrammar.test(text)) throw this.wrong('a value is expected');
    const value = Number(text);
    if (!Number.isFinite(value)) throw this.wrong('a number is too large');
    if (Number.isInteger(value) && !Number.isSafeInteger(value))
      throw this.wrong('a number is past 2^53 and would lose digits');
    this.#at = at;
    return value;
  }

  /** Reads an object: `member` has to read the value of each name, of which it is told the position in `names`; others lie past those. */
  object(member: (name: number) => void): void {
    this.expect('{');
    if (this.skip('}')) return;
    let known = 0;
    let others: Set<string> | undefined;
    do {
      const name = this.#name();
      if (typeof name === 'number') {
        if ((known & (1 << name)) !== 0) throw this.#twice(this.#names.text(name));
        known |= 1 << name;
      } else {
        if (others?.has(name)) throw this.#twice(name);
        others = (others ?? new Set()).add(name);
      }
      this.expect(':');
      member(typeof name === 'number' ? name : Number.POSITIVE_INFINITY);
    } while (this.skip(','));
    this.expect('}');
  }

  /** Its text, where it has no number. */
  #name(): number | string {
    const known = this.peek() === quote ? this.#names.find(this.#view, this.#at + 1) : undefined;
    if (known === undefined) {
      const text = this.string();
      return this.#names.numberOf(text) ?? text;
    }
    this.#at += 1 + this.#names.length(known);
    return known;
  }

  #twice(name: string): InvalidJson {
    return this.wrong(`the key ${JSON.stringify(name.slice(0, 64))} stands twice in one object`);
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
    if (code === quote) this.#passText();
    else if (code === 0x7b || code === 0x5b) this.#passAll(code, depth + 1);
    else this.#passLiteral(literals[code]);
  }

  /** @param literal undefined where there can only be a number */
  #passLiteral(literal: string | undefined): void {
    if (literal === undefined) this.number();
    else for (const character of literal) this.#exactly(character);
  }

  #passAll(code: number, depth: number): void {
    const pass = () => this.pass(depth);
    if (code === 0x7b) this.object(pass);
    else this.list(pass);
  }

  #passText(): void {
    this.readString();
    if (!this.#isPlain) this.#decode();
  }

  /** Reads `null` if it is next. */
  isNull(): boolean {
    if (this.peek() !== 0x6e) return false;
    this.pass();
    return true;
  }

  #exactly(character: string): void {
    const code = this.#bytes[this.#at] ?? 0;
    if (code === 0 && this.#at >= this.#end) this.#ended();
    if (code !== character.charCodeAt(0)) throw this.wrong('a value is expected');
    this.#at++;
  }

  #ended(): never {
    throw this.#isLast ? this.wrong('the text ends too early') : needMore;
  }
}

function endOfDigits(bytes: Uint8Array, start: number): number {
  let at = start;
  while ((bytes[at] ?? 0) >= zero && (bytes[at] ?? 0) <= zero + 9) at++;
  return at;
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
