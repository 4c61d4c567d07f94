import { Refusal } from '../../../domain/errors.ts';
import type { AppendOptions } from '../store.ts';
import { unknownUpload } from './faults.ts';
import type { Session } from './session.ts';
import type { Space } from './space.ts';

/** Bytes gathered into one write; while it is under way the next are gathered. So an upload holds twice this at most. */
const GATHER = 512 * 1024;

/**
 * Writes a body to an upload. Chunks are gathered without copying and written with one call; hashing and the arrival of
 * the next bytes overlap with it.
 */
export class Appender {
  #session: Session;
  #space: Space;
  #limit: number;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #writing: Promise<void> | undefined;

  constructor(session: Session, space: Space, options: AppendOptions) {
    this.#session = session;
    this.#space = space;
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
        if (this.#gatheredBytes >= GATHER) await this.#flush();
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
    const writing = this.#write(chunks, bytes);
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
      session.size = start + bytes;
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
