import { once } from 'node:events';
import type { Writable } from 'node:stream';

const enough = 64 * 1024;

/** Writes many lines to a stream, no faster than its reader reads, and not line by line. */
export class LineWriter {
  readonly #stream: Writable;
  #lines: string[] = [];
  #length = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Whether `flush` should be waited for before more is added. */
  get isFull(): boolean {
    return this.#length >= enough;
  }

  add(line: string): void {
    this.#lines.push(line);
    this.#length += line.length + 1;
  }

  async flush(): Promise<void> {
    if (this.#lines.length === 0) return;
    const text = `${this.#lines.join('\n')}\n`;
    this.#lines = [];
    this.#length = 0;
    if (!this.#stream.write(text)) await once(this.#stream, 'drain');
  }
}
