import { randomBytes } from 'node:crypto';
import { quiet } from '../patience.ts';
import { busyUpload, unknownUpload } from '../upload-refusals.ts';
import type { Multipart, Part } from './multipart.ts';
import { Session } from './session.ts';
import { Tail, type TailParts } from './tail.ts';

/** Uploads kept in mind at once; beyond it the longest unused is forgotten, and read from the bucket when it goes on. */
const MOST_KNOWN = 1024;
/** An unused upload is forgotten after this time, milliseconds: its bytes are in the bucket. */
const IDLE = 60_000;

export interface SessionsParts extends TailParts {
  readonly multipart: Multipart;
  /** Other processes may continue the same uploads. */
  readonly replicas: boolean;
}

/** Whether an upload was seen to be this process's at a moment (`performance.now()`) since which nobody else could take it. */
export interface Use {
  readonly heldSince?: number | undefined;
}

/**
 * The uploads that this process knows. The truth is in the bucket: parts, then pieces that begin where the parts end. The
 * object `begun` holds who continued the upload last; who finds another one's mark there reads everything anew.
 */
export class Sessions {
  readonly #parts: SessionsParts;
  readonly #known = new Map<string, Session>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    this.#sweeper = setInterval(() => this.#forgetIdle(), IDLE / 2).unref();
  }

  /** @param alone nobody but this process will ever be asked for the upload */
  async create(id: string, alone: boolean): Promise<void> {
    const session = this.#fresh(id, { size: 0, parts: [] });
    if (!alone) session.claim = await this.#claim(id);
    session.checkedAt = performance.now();
    this.#remember(session);
  }

  /** Runs `work` on an upload that nobody else is working on. Throws Refusal BLOB_UPLOAD_UNKNOWN, or 409 where it is busy. */
  async use<T>(id: string, { heldSince }: Use, work: (session: Session) => Promise<T>): Promise<T> {
    const known = this.#known.get(id);
    if (known !== undefined) await quiet(known);
    if (known?.busy === true) throw busyUpload(id);
    const done = Promise.withResolvers<void>();
    // Taken before anything is waited for.
    if (known !== undefined) known.work = done.promise;
    const session = await this.#current(id, known, heldSince).catch((error: unknown) => {
      if (known !== undefined) known.work = undefined;
      done.resolve();
      throw error;
    });
    if (session !== known) {
      if (known !== undefined) known.work = undefined;
      // Somebody else of this process read it from the bucket at the same time.
      if (this.#known.get(id)?.busy === true) throw busyUpload(id);
      this.#remember(session);
    }
    session.work = done.promise;
    try {
      return await work(session);
    } finally {
      session.work = undefined;
      session.usedAt = performance.now();
      done.resolve();
    }
  }

  /** Bytes of an upload, without taking it over. */
  async size(id: string): Promise<number | undefined> {
    const known = this.#known.get(id);
    if (known !== undefined) {
      await quiet(known);
      if (known.ended) return undefined;
      if (known.busy || (await this.#isOurs(known))) return known.size;
      if (!known.busy) this.forget(known);
    }
    const read = await this.#read(id);
    void read?.tail.release();
    return read?.size;
  }

  /** Stops a request that works on an upload at its next byte, and waits for it a while; what is known of it. */
  async end(id: string): Promise<Session | undefined> {
    const known = this.#known.get(id);
    if (known === undefined) return undefined;
    known.ended = true;
    await quiet(known);
    this.forget(known);
    return known;
  }

  /** Frees what an upload holds; what it is gets read from the bucket when it is asked for again. */
  forget(session: Session): void {
    if (this.#known.get(session.id) === session) this.#known.delete(session.id);
    void session.tail.release();
  }

  close(): void {
    clearInterval(this.#sweeper);
    for (const session of this.#known.values()) session.ended = true;
  }

  /** The session as it is now: what is known, if it still holds, else what the bucket says, claimed for this process. */
  async #current(id: string, known: Session | undefined, heldSince = Number.POSITIVE_INFINITY): Promise<Session> {
    if (known !== undefined) {
      if (known.ended) throw unknownUpload(id);
      if (known.checkedAt >= heldSince || (await this.#isOurs(known))) return known;
      this.forget(known);
    }
    const read = await this.#read(id);
    if (read === undefined) throw unknownUpload(id);
    read.claim = await this.#claim(id);
    read.checkedAt = performance.now();
    return read;
  }

  async #isOurs(session: Session): Promise<boolean> {
    if (session.claim === undefined || !this.#parts.replicas) return true;
    const now = performance.now();
    const mark = await this.#parts.bucket.head(this.#parts.layout.begun(session.id));
    if (mark?.etag !== session.claim) return false;
    session.checkedAt = now;
    return true;
  }

  #claim(id: string): Promise<string | undefined> {
    const { bucket, layout, creation } = this.#parts;
    return bucket.putBytes(layout.begun(id), randomBytes(16), creation);
  }

  async #read(id: string): Promise<Session | undefined> {
    const { bucket, layout } = this.#parts;
    if (!layout.isUploadId(id)) return undefined;
    const objects = (await Array.fromAsync(bucket.list(layout.session(id)))).map((object) => ({
      ...object,
      what: layout.sessionNamed(object.name)?.what ?? '',
    }));
    if (objects.length === 0) return undefined;
    const multipart = objects.some(({ what }) => what === 'multipart') ? await this.#multipartId(id) : undefined;
    const name = layout.blob(id);
    const parts = multipart === undefined ? [] : await this.#parts.multipart.parts({ name, id: multipart });
    if (parts === undefined) return this.#completed(id, multipart);
    const contiguous = parts.filter(({ number }, index) => number === index + 1);
    const session = this.#fresh(id, { size: sizeOf(contiguous), parts: contiguous });
    if (multipart !== undefined) session.multipart = { id: multipart, recorded: Promise.resolve() };
    for (const { what, name, size, etag } of objects) {
      // A piece that became part of a part, or one of a request that was cut off by a later one, is left out.
      if (!/^\d+$/.test(what) || Number(what) !== session.size) continue;
      session.tail.adopt({ offset: Number(what), length: size, name, etag });
      session.size += size;
    }
    return session;
  }

  /** A process completed the multipart upload and came no further: all its bytes are one object now. */
  async #completed(id: string, multipart: string | undefined): Promise<Session | undefined> {
    const found = await this.#parts.bucket.head(this.#parts.layout.blob(id));
    if (found === undefined) return undefined;
    const session = this.#fresh(id, { size: found.size, parts: [] });
    session.completed = true;
    if (multipart !== undefined) session.multipart = { id: multipart, recorded: Promise.resolve() };
    return session;
  }

  async #multipartId(id: string): Promise<string | undefined> {
    const { bucket, layout } = this.#parts;
    const content = await bucket.read(layout.multipart(id));
    return content && Buffer.concat(content).toString();
  }

  #fresh(id: string, { size, parts }: { size: number; parts: Part[] }): Session {
    return new Session(id, { size, parts, tail: new Tail(id, size, this.#parts) });
  }

  #remember(session: Session): void {
    this.#known.set(session.id, session);
    if (this.#known.size <= MOST_KNOWN) return;
    for (const other of this.#known.values()) {
      if (other.busy || other === session || other.claim === undefined) continue;
      this.forget(other);
      return;
    }
  }

  #forgetIdle(): void {
    const before = performance.now() - IDLE;
    for (const session of this.#known.values()) if (!session.busy && session.usedAt < before) this.forget(session);
  }
}

export function sizeOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { size }) => sum + size, 0);
}
