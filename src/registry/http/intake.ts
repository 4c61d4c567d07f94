import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../domain/errors.ts';

/**
 * Takes whole bodies into memory, within a bound for one and a bound for all at once: a hundred clients that send the
 * largest manifest at the same moment are asked to come back, and the process keeps its size.
 */
export class Intake {
  readonly #total: number;
  #held = 0;

  /** @param total bytes that all bodies together may occupy */
  constructor(total: number) {
    this.#total = total;
  }

  /**
   * Reads a body and lends it to `use`; its bytes count against the bound until `use` is done.
   * @param limit largest body, bytes
   * @throws Refusal SIZE_INVALID 413 past the limit, TOOMANYREQUESTS 429 where the bound for all is reached
   */
  async with<T>(request: IncomingMessage, limit: number, use: (body: Buffer) => Promise<T>): Promise<T> {
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > limit) throw tooLarge(limit);
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        length += chunk.length;
        this.#held += chunk.length;
        if (length > limit) throw tooLarge(limit);
        if (this.#held > this.#total) throw busy();
        chunks.push(chunk);
      }
      return await use(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length));
    } finally {
      this.#held -= length;
    }
  }
}

function tooLarge(limit: number): Refusal {
  return new Refusal('SIZE_INVALID', `a manifest of more than ${limit} bytes is not taken (limits.manifestBytes)`, {
    status: 413,
  });
}

function busy(): Refusal {
  return new Refusal('TOOMANYREQUESTS', 'too many large manifests are arriving at once; try again in a second', {
    headers: { 'retry-after': '1' },
  });
}
