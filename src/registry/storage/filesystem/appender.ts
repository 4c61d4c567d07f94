import { Refusal } from '../../../domain/errors.ts';
import { giveBack } from '../../../platform/give-back.ts';
import type { AppendOptions } from '../store.ts';
import { unknownUpload } from './faults.ts';
import type { Session } from './session.ts';
import type { Space } from './space.ts';

/**
 * Bytes that may wait while a write is under way. An upload holds twice this at most, and only while the disk is slower than
 * its client: an idle one holds nothing, however many there are.
 */
const GATHER = 256 * 1024;

/**
 * Writes a body to an upload. The first chunk is written at once; what arrives meanwhile is gathered without copying and goes
 * out with the next call, so that hashing and the arrival of bytes overlap with writing.
 */
export class Appender {
  #session: Session;
  #space: Space;
  #limit: number;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #writing: Promise<void> | undefined;
  #idle = true;
  readonly #owned: boolean;

  constructor(session: Session, space: Space, options: AppendOptions) {
    this.#session = session;
    this.#space = space;
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
        if (this.#idle || this.#gatheredBytes >= GATHER) await this.#flush();
      }
    } catch (error) {
      await this.#settle().catch(() => undefined);
      throw error;
    }
    await this.#settle();
  }

  async #settle(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  /** Waits for the write before, then begins the next. */
  async #flush(): Promise<void> {
    await this.#writing;
    this.#writing = undefined;
    if (this.#gathered.length === 0) return;
    const chunks = this.#gathered;
    const bytes = this.#gatheredBytes;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    await this.#space.claim(bytes);
    this.#idle = false;
    const writing = this.#write(chunks, bytes).finally(() => {
      this.#idle = true;
    });
    writing.catch(() => undefined);
    this.#writing = writing;
  }

  async #write(chunks: Uint8Array[], bytes: number): Promise<void> {
    const session = this.#session;
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
