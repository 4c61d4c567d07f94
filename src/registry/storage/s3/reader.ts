import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '../../metadata/store.ts';
import { gone } from '../departure.ts';
import type { SlowLane } from '../slow-lane.ts';
import type { BlobReader, ByteSpan } from '../store.ts';
import type { Bucket, Pieces } from './bucket.ts';
import { type KnownObjects, SMALL } from './known-objects.ts';
import { Outlet } from './outlet.ts';
import type { Slots } from './slots.ts';

/** What all readers of a store share. */
export interface ReaderParts {
  readonly bucket: Bucket;
  readonly known: KnownObjects;
  readonly slots: Slots;
  readonly lane: SlowLane;
  /** Milliseconds without a byte from the bucket after which a stream is given up. */
  readonly silentMillis: number;
}

export interface Target {
  readonly key: string;
  readonly object: string;
}

/** A stream from the bucket, and the slot that it occupies. */
interface Source {
  readonly content: Pieces;
  /** Where its first byte stands in the blob. */
  readonly start: number;
}

/** How often a stream that broke is taken up again where it broke, for one client. */
const MOST_BREAKS = 4;

/** Sends parts of an object. Bytes pass through as they come; what is in memory is what the connections hold. */
export class ObjectReader implements BlobReader {
  readonly size: number;
  readonly location?: (method: 'GET' | 'HEAD') => Promise<string>;
  readonly #target: Target;
  readonly #parts: ReaderParts;
  #first: Source | undefined;
  #closed = false;

  constructor(target: Target, parts: ReaderParts, state: { size: number; location?: BlobReader['location'] }) {
    this.#target = target;
    this.#parts = parts;
    this.size = state.size;
    if (state.location !== undefined) this.location = state.location;
  }

  /** Opens an object with the request that fetches the bytes that are wanted; undefined where there is none. */
  static async open(target: Target, parts: ReaderParts, wanted: ByteSpan): Promise<ObjectReader | undefined> {
    const content = await request(target, parts, wanted);
    if (content === undefined) return undefined;
    const reader = new ObjectReader(target, parts, { size: content.size });
    reader.#first = { content, start: wanted.start };
    return reader;
  }

  async send(sink: Writable, start: number, end: number, owner = ''): Promise<void> {
    const small = await this.#small();
    const outlet = new Outlet(sink, { owner, lane: this.#parts.lane, crowded: () => this.#parts.slots.crowded });
    try {
      if (small !== undefined) await outlet.writeShared(small.subarray(start, end + 1));
      else await this.#sendAll(outlet, start, end);
    } finally {
      outlet.end();
    }
  }

  async #sendAll(outlet: Outlet, start: number, end: number): Promise<void> {
    let breaks = 0;
    for (let position = start; position <= end; ) {
      const { reached, broke } = await this.#stretch(outlet, position, end);
      if (broke !== undefined) breaks += 1;
      if (breaks > MOST_BREAKS) throw broken(this.#target, broke);
      if (reached === position && broke !== undefined) await sleep(50 * 2 ** breaks);
      position = reached;
      // A client that took nothing while others waited has left its slot to them.
      if (position <= end) await outlet.ready();
    }
  }

  /** Sends what one stream gives: to the end, up to where it broke, or until the client holds up others. */
  async #stretch(outlet: Outlet, position: number, end: number): Promise<{ reached: number; broke?: unknown }> {
    if (this.#closed || outlet.closed) throw gone();
    const source = await this.#source(position, end);
    const passage = new Passage(source, { position, end });
    try {
      await passage.run(outlet, this.#parts.silentMillis);
      return { reached: passage.position };
    } catch (error) {
      if (outlet.closed) throw gone();
      if (error instanceof StoreError) throw error;
      return { reached: passage.position, broke: error };
    } finally {
      source.content.body.destroy();
      this.#parts.slots.give();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#first === undefined) return;
    this.#first.content.body.destroy();
    this.#first = undefined;
    this.#parts.slots.give();
  }

  /** The slot that it occupies is the caller's to give. */
  async #source(position: number, end: number): Promise<Source> {
    const first = this.#first;
    this.#first = undefined;
    if (first?.start === position) return first;
    if (first !== undefined) {
      first.content.body.destroy();
      this.#parts.slots.give();
    }
    const content = await request(this.#target, this.#parts, { start: position, end, size: this.size });
    if (content !== undefined && content.size === this.size) return { content, start: position };
    this.#parts.known.forget(this.#target.key);
    if (content !== undefined) {
      content.body.destroy();
      this.#parts.slots.give();
    }
    const what = content === undefined ? 'gone' : `${content.size} bytes long instead of ${this.size}`;
    throw new StoreError('corrupt', `${this.#target.object} is ${what}; it is damaged`);
  }

  /** All of a small object, which is kept. */
  async #small(): Promise<Buffer | undefined> {
    const { known } = this.#parts;
    const kept = known.content(this.#target.key);
    if (kept !== undefined) return kept;
    const first = this.#first;
    if (this.size > SMALL || first === undefined || first.start !== 0) return undefined;
    const chunks: Buffer[] = [];
    let length = 0;
    const passage = new Passage(first, { position: 0, end: this.size - 1 });
    this.#first = undefined;
    try {
      await passage.drain(this.#parts.silentMillis, (chunk) => {
        chunks.push(first.content.lent ? Buffer.from(chunk) : chunk);
        length += chunk.length;
      });
    } catch {
      // It is sent like a large one then, which tries again.
      return undefined;
    } finally {
      first.content.body.destroy();
      this.#parts.slots.give();
    }
    if (length !== this.size) return undefined;
    const content = Buffer.concat(chunks, length);
    known.note(this.#target.key, this.size, content);
    return content;
  }
}

/** Asks for bytes, when there is a slot; the slot is given back where there is no content. */
async function request(
  { key, object }: Target,
  { bucket, known, slots }: ReaderParts,
  { start, end, size }: ByteSpan & { size?: number },
): Promise<Pieces | undefined> {
  await slots.take();
  try {
    const whole = start === 0 && end === (size ?? Number.NaN) - 1;
    const content = await bucket.pieces(object, whole ? undefined : { start, end });
    if (content === undefined) slots.give();
    else known.note(key, content.size);
    return content;
  } catch (error) {
    slots.give();
    throw error;
  }
}

/** Bytes on their way from one stream to a client. */
class Passage {
  position: number;
  readonly #end: number;
  readonly #content: Pieces;

  constructor({ content }: Source, { position, end }: { position: number; end: number }) {
    this.position = position;
    this.#end = end;
    this.#content = content;
  }

  /** Resolves when all was sent, or the client should go on later; rejects where the stream breaks or ends early. */
  async run(outlet: Outlet, silentMillis: number): Promise<void> {
    let parked = false;
    await this.drain(silentMillis, (chunk, idle) => {
      if (this.position + chunk.length > this.#end + 1)
        throw new StoreError('corrupt', 'the bucket sent too many bytes');
      this.position += chunk.length;
      const park = () => {
        parked = true;
        this.#content.body.destroy();
      };
      const writing = this.#content.lent ? outlet.writeLent(chunk, park) : outlet.write(chunk, park);
      if (writing === undefined) return undefined;
      idle(false);
      return writing.then(() => idle(true));
    }).catch((error: unknown) => {
      if (!parked) throw error;
    });
    if (!parked && this.position <= this.#end) throw new Error('the bucket sent fewer bytes than it said');
  }

  /** Hands every chunk on; `idle` turns the watch over the bucket's silence off and on. */
  async drain(
    silentMillis: number,
    take: (chunk: Buffer, idle: (watched: boolean) => void) => Promise<void> | undefined,
  ): Promise<void> {
    let watched = true;
    const timer = setTimeout(() => {
      if (watched) this.#content.body.destroy(new Error(`no byte from the bucket for ${silentMillis} ms`));
      else timer.refresh();
    }, silentMillis);
    const idle = (on: boolean) => {
      watched = on;
      timer.refresh();
    };
    try {
      for await (const chunk of this.#content.body as AsyncIterable<Buffer>) {
        timer.refresh();
        const taking = take(chunk, idle);
        if (taking !== undefined) await taking;
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

function broken({ object }: Target, error: unknown): StoreError {
  return new StoreError(
    'io',
    `reading ${object} from the bucket broke off again and again: ${(error as Error).message}`,
  );
}
