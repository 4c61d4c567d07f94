import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../domain/errors.ts';
import { giveBack } from '../../platform/give-back.ts';
import { Turns } from '../../platform/turns.ts';
import { arriving } from './arrival.ts';

/** Milliseconds: what a body that is on its way holds of the bound is missing to everybody else. */
const patience = { silence: 5_000, whole: 30_000 };

/** A body above this leaves strings of its size behind when it was parsed: they are collected at once, for some 10 ms. */
export const heavy = 1024 * 1024;
/** How long a large body lets what is in memory already go first, milliseconds. */
const politeness = 1000;

export interface Arrival {
  readonly request: IncomingMessage;
  /** Client address. */
  readonly from: string;
  /** Largest body, bytes. */
  readonly limit: number;
}

/**
 * Takes whole bodies into memory, within a bound for one, for one client address, and for all at once: a hundred clients
 * that send the largest manifest at the same moment are asked to come back, and the process keeps its size.
 */
export class Intake {
  readonly #total: number;
  readonly #collect: () => void;
  readonly #turns: Turns;
  #held = 0;
  /** Bytes held, by client address. */
  readonly #heldBy = new Map<string, number>();

  /**
   * @param total bytes that all bodies together may occupy
   * @param collect collects garbage now; Node offers it where it was started with `--expose-gc`
   * @param turns of large bodies, and of whatever else takes as much memory
   */
  constructor(total: number, collect: () => void = globalThis.gc ?? (() => undefined), turns: Turns = new Turns()) {
    this.#total = total;
    this.#collect = collect;
    this.#turns = turns;
  }

  /**
   * Reads a body and lends it to `use`, which must not keep it: its memory is freed when `use` is done.
   * @throws Refusal SIZE_INVALID 413 past the limit, 408 where the body stops arriving; TOOMANYREQUESTS 429 where the bound
   *   for all, or the share of the address, is reached
   */
  async with<T>({ request, from, limit }: Arrival, use: (body: Buffer) => Promise<T>): Promise<T> {
    const announced = request.headers['content-length'];
    if (Number(announced ?? 0) > limit) throw tooLarge(limit);
    // What is in memory now goes first.
    if (Number(announced ?? 0) > heavy) await this.#turns.free(politeness);
    const body = new Body(announced === undefined ? undefined : Number(announced));
    let counted = 0;
    let gone: (() => void) | undefined;
    try {
      for await (const chunk of arriving(request, patience)) {
        counted += chunk.length;
        if (counted > heavy) gone ??= this.#turns.arrive();
        this.#hold(from, chunk.length);
        if (body.length + chunk.length > limit) throw tooLarge(limit);
        if (!this.#within(from, limit)) throw busy();
        body.add(chunk);
      }
      return await (counted > heavy ? this.inTurn(() => use(body.bytes())) : use(body.bytes()));
    } finally {
      this.#hold(from, -counted);
      body.giveBack();
      this.settle(counted);
      gone?.();
    }
  }

  /** Runs what takes as much memory as a large body does when no such body is being worked on. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.run(work);
  }

  #hold(from: string, bytes: number): void {
    this.#held += bytes;
    const held = (this.#heldBy.get(from) ?? 0) + bytes;
    if (held === 0) this.#heldBy.delete(from);
    else this.#heldBy.set(from, held);
  }

  /** A share leaves room for another address's largest body, and always takes one itself. */
  #within(from: string, limit: number): boolean {
    const share = Math.max(limit, Math.min(this.#total - limit, this.#total / this.#heldBy.size));
    return this.#held <= Math.max(this.#total, limit) && (this.#heldBy.get(from) ?? 0) <= share;
  }

  /** Collects what parsing a body of `length` bytes left behind, where that is much. */
  settle(length: number): void {
    if (length > heavy) this.#collect();
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
    this.#whole ??= Buffer.concat(this.#chunks.splice(0), this.length);
    return this.#whole;
  }

  giveBack(): void {
    if (this.#whole !== undefined) giveBack(this.#whole);
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
