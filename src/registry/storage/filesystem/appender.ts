import { Refusal } from '../../../domain/errors.ts';
import { giveBack } from '../../../platform/give-back.ts';
import type { AppendOptions } from '../store.ts';
import { unknownUpload } from '../upload-refusals.ts';
import type { Session } from './session.ts';
import type { Space } from './space.ts';

/** What arrived waits this long for more before it is written, milliseconds: an idle upload holds nothing. */
const LULL = 4;
/** So many chunks are enough, however short: each costs a hundred bytes beside its own, and one call takes no more (`IOV_MAX`). */
const MOST_CHUNKS = 1024;

/** How much an upload may gather, bytes. */
export interface Share {
  readonly gather: number;
}

/**
 * Writes a body to an upload. What arrives is gathered without copying and goes out with one call, while more arrives: each call
 * wakes a thread, which costs as much as writing a hundred kilobytes does. An upload holds what is written and as much again at most.
 */
export class Appender {
  readonly #session: Session;
  readonly #space: Space;
  readonly #limit: number;
  readonly #owned: boolean;
  readonly #share: Share;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  /** Never rejects. */
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #lull: NodeJS.Timeout | undefined;

  constructor(session: Session, space: Space, share: Share, options: AppendOptions) {
    this.#session = session;
    this.#space = space;
    this.#share = share;
    this.#owned = options.ownsChunks ?? false;
    this.#limit = options.maxBytes ?? Number.MAX_SAFE_INTEGER;
  }

  /** Writes until the body ends or fails; what arrived is in the file either way. */
  async run(body: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<void> {
    let accepted = this.#session.size;
    try {
      for await (const chunk of body) {
        signal?.throwIfAborted();
        accepted += chunk.byteLength;
        if (accepted > this.#limit) throw tooLarge(this.#limit);
        this.#gathered.push(chunk);
        this.#gatheredBytes += chunk.byteLength;
        if (this.#isEnough) await this.#flush();
        else this.#lull ??= setTimeout(() => void this.#flush().catch(() => undefined), LULL);
      }
    } catch (error) {
      await this.#settle().catch(() => undefined);
      throw error;
    }
    await this.#settle();
  }

  get #isEnough(): boolean {
    return this.#gatheredBytes >= this.#share.gather || this.#gathered.length >= MOST_CHUNKS;
  }

  async #settle(): Promise<void> {
    await this.#flush();
    await this.#written();
  }

  /** Waits for the write before, then begins the next. */
  async #flush(): Promise<void> {
    clearTimeout(this.#lull);
    this.#lull = undefined;
    await this.#written();
    if (this.#gathered.length === 0) return;
    const chunks = this.#gathered;
    const bytes = this.#gatheredBytes;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#writing = this.#write(chunks, bytes)
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => {
        this.#writing = undefined;
      });
  }

  /** Throws what a write failed with, to everybody who asks from then on. */
  async #written(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #write(chunks: Uint8Array[], bytes: number): Promise<void> {
    const session = this.#session;
    await this.#space.claim(bytes);
    if (session.ended) throw unknownUpload(session.id);
    const start = session.size;
    try {
      const writing = writeAll(session, chunks, bytes);
      let position = start;
      for (const chunk of chunks) {
        session.hash(chunk, position);
        position += chunk.byteLength;
      }
      await writing;
      session.wrote(bytes);
      if (this.#owned) chunks.forEach(giveBack);
    } catch (error) {
      session.forgetHash();
      if (session.ended) throw unknownUpload(session.id);
      session.size = (await session.file.stat()).size;
      throw error;
    }
  }
}

/** A write may take less than all: on a disk that fills up it takes what fits, and the next one says why. */
async function writeAll(session: Session, chunks: Uint8Array[], bytes: number): Promise<void> {
  const start = session.size;
  let written = (await session.file.writev(chunks, start)).bytesWritten;
  while (written < bytes) {
    const rest = after(chunks, written);
    const { bytesWritten } = await session.file.writev(rest, start + written);
    if (bytesWritten === 0) throw Object.assign(new Error('nothing could be written'), { code: 'ENOSPC' });
    written += bytesWritten;
  }
}

/** What is left of `chunks` after the first `skip` bytes. */
function after(chunks: Uint8Array[], skip: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let left = skip;
  for (const chunk of chunks) {
    if (left < chunk.byteLength) rest.push(left === 0 ? chunk : chunk.subarray(left));
    left = Math.max(0, left - chunk.byteLength);
  }
  return rest;
}

function tooLarge(limit: number): Refusal {
  return new Refusal('SIZE_INVALID', `the blob is larger than the ${limit} bytes that this registry accepts`, {
    status: 413,
  });
}
