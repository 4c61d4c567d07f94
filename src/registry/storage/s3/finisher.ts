import { createHash } from 'node:crypto';
import { Refusal } from '../../../domain/errors.ts';
import { type Algorithm, algorithmOf, type Digest, digestOf, hexOf } from '../../../domain/oci/digest.ts';
import { StoreError } from '../../metadata/store.ts';
import { unknownUpload } from '../upload-refusals.ts';
import { Appender, type AppenderParts } from './appender.ts';
import type { Session } from './session.ts';

export interface Finished {
  readonly key: string;
  readonly size: number;
}

/** Verifies an upload and gives its bytes their name. Nothing is under that name before they are known to be right. */
export class Finisher {
  readonly #parts: AppenderParts;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
  }

  /** Throws Refusal DIGEST_INVALID; the caller then drops what is left of the upload. */
  finish(session: Session, digest: Digest): Promise<Finished> {
    const inParts = session.multipart !== undefined || session.flight !== undefined;
    return inParts ? this.#finishParts(session, digest) : this.#finishWhole(session, digest);
  }

  /** One object, which the digest is part of the name of: nothing else has to say what it is. */
  async #finishWhole(session: Session, digest: Digest): Promise<Finished> {
    const { bucket, layout, blobCreation } = this.#parts;
    const { size } = session;
    const chunks = [...(await session.tail.load())];
    const algorithm = algorithmOf(digest);
    const hex = session.hash.hex(algorithm, size) ?? hashOf(algorithm, chunks);
    if (digestOf(algorithm, hex) !== digest) throw wrongDigest(digest);
    const key = layout.keyOf(session.id, digest);
    const sha256 = algorithm === 'sha256' ? hexOf(digest) : undefined;
    const body = { length: size, sha256, bytes: () => chunks };
    await bucket.put(layout.blob(key), body, blobCreation);
    return { key, size };
  }

  async #finishParts(session: Session, digest: Digest): Promise<Finished> {
    const { bucket, layout, creation } = this.#parts;
    const algorithm = algorithmOf(digest);
    const hex = session.hash.hex(algorithm, session.size);
    if (hex !== undefined && digestOf(algorithm, hex) !== digest) throw wrongDigest(digest);
    const own = await this.#complete(session);
    if (!own || hex === undefined) await this.#verify(session, digest);
    await bucket.putBytes(layout.marker(session.id, digest), new Uint8Array(), creation);
    return { key: session.id, size: session.size };
  }

  /** False where another process did it, or the answer to our first attempt was lost. */
  async #complete(session: Session): Promise<boolean> {
    if (session.completed) return false;
    const { bucket, layout, multipart } = this.#parts;
    await new Appender(session, this.#parts).sendLast();
    if (session.multipart === undefined) throw new Error(`upload ${session.id} has parts and no multipart upload`);
    const name = layout.blob(session.id);
    const done = await multipart.complete({ name, id: session.multipart.id }, session.parts);
    if (done) return true;
    if ((await bucket.head(name))?.size !== session.size) throw unknownUpload(session.id);
    return false;
  }

  /**
   * Reads the object back: this process has not seen all of its bytes come, or not with that algorithm. A store may well say
   * twice that it put parts together: where others know of the upload, one of them may have named the object by now, with the
   * right digest. Without a name it is an orphan, and the sweep takes it.
   */
  async #verify({ id, size, claim }: Session, digest: Digest): Promise<void> {
    const { bucket, layout } = this.#parts;
    const algorithm = algorithmOf(digest);
    if (digestOf(algorithm, await this.#rehash(id, size, algorithm)) === digest) return;
    if (claim === undefined) await bucket.remove(layout.blob(id));
    throw wrongDigest(digest);
  }

  async #rehash(id: string, size: number, algorithm: Algorithm): Promise<string> {
    const hash = createHash(algorithm);
    // In pieces, so that a connection that breaks costs one of them.
    for (let start = 0; start < size; start += PIECE) {
      await this.#hashPiece(id, { start, end: Math.min(start + PIECE, size) - 1 }, (chunk) => hash.update(chunk));
    }
    return hash.digest('hex');
  }

  async #hashPiece(id: string, range: Range, update: (chunk: Uint8Array) => void): Promise<void> {
    let next = range.start;
    for (let attempt = 1; ; attempt++) {
      try {
        const content = await this.#parts.bucket.get(this.#parts.layout.blob(id), {
          range: { start: next, end: range.end },
        });
        if (content === undefined) throw unknownUpload(id);
        for await (const chunk of content.body as AsyncIterable<Uint8Array>) {
          update(chunk);
          next += chunk.byteLength;
        }
        if (next === range.end + 1) return;
        throw new StoreError('io', `the bucket broke off in the middle of upload ${id}; try again`);
      } catch (error) {
        if (error instanceof Refusal || attempt >= 4) throw asStoreError(error, id);
      }
    }
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Bytes that are read back at once. */
const PIECE = 64 * 1024 * 1024;

function asStoreError(error: unknown, id: string): Error {
  if (error instanceof Refusal || error instanceof StoreError) return error;
  return new StoreError('io', `reading upload ${id} back from the bucket failed: ${(error as Error).message}`);
}

function hashOf(algorithm: Algorithm, chunks: readonly Uint8Array[]): string {
  const hash = createHash(algorithm);
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

function wrongDigest(digest: Digest): Refusal {
  return new Refusal('DIGEST_INVALID', `the uploaded bytes do not have the digest ${digest}; nothing was stored`);
}
