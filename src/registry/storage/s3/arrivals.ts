import { giveBack } from '../../../platform/give-back.ts';

const BUFFER = 128 * 1024;
/** A buffer with less room than this counts as full: the head of an answer has to fit. */
const LEAST_ROOM = 16 * 1024;

interface Range {
  readonly buffer: Buffer;
  readonly from: number;
  readonly to: number;
}

/**
 * What arrived on a connection and was not taken yet: while one of two buffers is on its way to a client, the other is filled.
 * Node asks for the room of the next read right after the one before, so that buffers change then and not later.
 */
export class Arrivals {
  #fill: Buffer = Buffer.allocUnsafeSlow(BUFFER);
  #other: Buffer = Buffer.allocUnsafeSlow(BUFFER);
  /** Unread bytes of `#fill`. */
  #from = 0;
  #to = 0;
  /** What came before them. */
  readonly #full: Range[] = [];
  #lent: Buffer | undefined;

  /** There is room for what comes next. */
  get open(): boolean {
    return this.#to > 0 || (this.#fill !== this.#lent && !this.#full.some(({ buffer }) => buffer === this.#fill));
  }

  get empty(): boolean {
    return this.#full.length === 0 && this.#from === this.#to;
  }

  /** Unread bytes lie in two places. */
  get turned(): boolean {
    return this.#full.length > 0;
  }

  /** The first unread bytes. */
  get unread(): Buffer {
    const [first = { buffer: this.#fill, from: this.#from, to: this.#to }] = this.#full;
    return first.buffer.subarray(first.from, first.to);
  }

  /** Where the next bytes go, once it is `open`. */
  room(): Buffer {
    return this.#fill.subarray(this.#to);
  }

  /** So many bytes were written into the `room`. */
  filled(bytes: number): void {
    this.#to += bytes;
    if (BUFFER - this.#to < LEAST_ROOM) this.#turn();
  }

  /** Takes a chunk, whose memory is given back where it was copied. */
  add(chunk: Buffer): void {
    if (this.#to + chunk.length > BUFFER) this.#turn();
    if (!this.open || chunk.length > BUFFER) {
      this.#turn();
      this.#full.push({ buffer: chunk, from: 0, to: chunk.length });
      return;
    }
    chunk.copy(this.#fill, this.#to);
    this.filled(chunk.length);
    giveBack(chunk);
  }

  /** The first bytes are of no use any more. */
  skip(bytes: number): void {
    const [first] = this.#full;
    if (first === undefined) this.#from += bytes;
    else if (first.to - first.from === bytes) this.#full.shift();
    else this.#full[0] = { ...first, from: first.from + bytes };
  }

  /** The first unread bytes, valid until this is called again; undefined where there are none. */
  lend(most: number): Buffer | undefined {
    this.takeBack();
    const bytes = this.unread;
    if (bytes.length === 0) return undefined;
    const piece = bytes.length > most ? bytes.subarray(0, most) : bytes;
    this.#lent = this.#full[0]?.buffer ?? this.#fill;
    this.skip(piece.length);
    return piece;
  }

  /** What was lent is free. */
  takeBack(): void {
    this.#lent = undefined;
  }

  #turn(): void {
    if (this.#to === 0) return;
    if (this.#to > this.#from) this.#full.push({ buffer: this.#fill, from: this.#from, to: this.#to });
    const next = this.#other;
    this.#other = this.#fill;
    this.#fill = next;
    this.#from = 0;
    this.#to = 0;
  }
}
