const lastOfAscii = 0x7f;

/** A few texts as bytes, one after another: what is read for one image is written over by what is read for the next. */
export class Texts {
  bytes = Buffer.allocUnsafe(256);
  /** Where each text ends; there is room for more of them. */
  ends = new Uint32Array(16);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Where the bytes of a text begin. */
  start(index: number): number {
    return index === 0 ? 0 : (this.ends[index - 1] ?? 0);
  }

  end(index: number): number {
    return this.ends[index] ?? 0;
  }

  add(text: string): void {
    const start = this.#roomFor(3 * text.length);
    const { bytes } = this;
    let at = 0;
    for (; at < text.length && text.charCodeAt(at) <= lastOfAscii; at++) bytes[start + at] = text.charCodeAt(at);
    this.#close(start + (at === text.length ? at : bytes.write(text, start)));
  }

  addBytes(source: Uint8Array, from: number, to: number): void {
    const start = this.#roomFor(to - from);
    const { bytes } = this;
    for (let at = from; at < to; at++) bytes[start + at - from] = source[at] ?? 0;
    this.#close(start + to - from);
  }

  at(index: number): string {
    return this.bytes.toString('utf8', this.start(index), this.end(index));
  }

  /** Where the next text begins. */
  #roomFor(length: number): number {
    const start = this.start(this.#length);
    if (start + length > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * (start + length));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    return start;
  }

  #close(end: number): void {
    if (this.#length === this.ends.length) {
      const larger = new Uint32Array(2 * this.#length);
      larger.set(this.ends);
      this.ends = larger;
    }
    this.ends[this.#length++] = end;
  }
}
