import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../domain/errors.ts';
import { giveBack } from '../../platform/give-back.ts';

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
    const announced = request.headers['content-length'];
    if (Number(announced ?? 0) > limit) throw tooLarge(limit);
    const body = new Body(announced === undefined ? undefined : Number(announced));
    let counted = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        counted += chunk.length;
        this.#held += chunk.length;
        if (body.length + chunk.length > limit) throw tooLarge(limit);
        if (this.#held > this.#total) throw busy();
        body.add(chunk);
      }
      return await use(body.bytes());
    } finally {
      this.#held -= counted;
    }
  }
}

/** A body whose length was announced goes straight into one buffer of that size, without a second copy at the end. */
class Body {
  length = 0;
  #whole: Buffer | undefined;
  readonly #chunks: Buffer[] = [];

  constructor(announced: number | undefined) {
    this.#whole = announced === undefined ? undefined : Buffer.allocUnsafeSlow(announced);
  }

  add(chunk: Buffer): void {
    this.length += chunk.length;
    if (this.#whole === undefined) {
      this.#chunks.push(chunk);
      return;
    }
    chunk.copy(this.#whole, this.length - chunk.length);
    giveBack(chunk);
  }

  bytes(): Buffer {
    return this.#whole ?? Buffer.concat(this.#chunks, this.length);
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
