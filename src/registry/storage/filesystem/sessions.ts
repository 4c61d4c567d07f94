import { open, rm } from 'node:fs/promises';
import { quiet } from '../patience.ts';
import { busyUpload, unknownUpload } from '../upload-refusals.ts';
import { isMissing, type Layout } from './layout.ts';
import { Session } from './session.ts';

/** Uploads kept open at once; beyond it the longest unused is closed, and opened and rehashed when it goes on. */
const MOST_OPEN = 256;
/** An unused upload is closed after this time, milliseconds. */
const IDLE = 60_000;
/** Bytes that the uploads at work may gather between them, and how many one of them. */
const GATHER = { together: 2 * 1024 * 1024, most: 1024 * 1024, least: 128 * 1024 };

/** The uploads that are open in this process. Nothing here has to survive: size and bytes are in the file. */
export class Sessions {
  #layout: Layout;
  #open = new Map<string, Promise<Session>>();
  #sweeper: NodeJS.Timeout;
  /** Uploads that a request is writing to, or finishing. */
  #atWork = 0;

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#sweeper = setInterval(() => void this.#closeIdle(), IDLE / 2);
    this.#sweeper.unref();
  }

  /** Makes a new upload. Throws what the file system throws (EEXIST where the id is taken). */
  async create(id: string): Promise<void> {
    await this.#makeRoom();
    const file = await open(this.#layout.upload(id), 'wx+', 0o640);
    this.#open.set(id, Promise.resolve(new Session(id, file, 0)));
  }

  /** Runs `work` on an upload that nobody else is working on. Throws Refusal BLOB_UPLOAD_UNKNOWN, or 409 where it is busy. */
  async use<T>(id: string, work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#session(id);
    await quiet(session);
    if (session.ended) throw unknownUpload(id);
    if (session.closed) return this.use(id, work);
    if (session.busy) throw busyUpload(id);
    const { promise, resolve } = Promise.withResolvers<void>();
    session.work = promise;
    this.#atWork++;
    try {
      return await work(session);
    } finally {
      this.#atWork--;
      session.work = undefined;
      session.usedAt = performance.now();
      resolve();
      if (session.lost) await this.forget(id, true);
    }
  }

  /** Bytes that an upload may gather before they are written: the more uploads are at work, the fewer. */
  get gather(): number {
    return Math.max(GATHER.least, Math.min(GATHER.most, GATHER.together / Math.max(1, this.#atWork)));
  }

  /** Bytes of an upload that is open here, else undefined. */
  async size(id: string): Promise<number | undefined> {
    const session = await this.#open.get(id)?.catch(() => undefined);
    if (session !== undefined) await quiet(session);
    return session?.size;
  }

  /** Closes an upload; its file stays, unless bytes of it are lost: nobody would know any more. Where it is `ended`, a request that is writing to it stops at its next write. */
  async forget(id: string, ended: boolean): Promise<void> {
    const opening = this.#open.get(id);
    this.#open.delete(id);
    const session = await opening?.catch(() => undefined);
    if (session === undefined || session.closed) return;
    if (session.busy && !ended) {
      // Taken up again while it was about to be closed.
      if (opening !== undefined) this.#open.set(id, opening);
      return;
    }
    session.ended ||= ended;
    session.closed = true;
    session.forgetHash();
    await session.file.close();
    if (session.lost) await rm(this.#layout.upload(id), { force: true });
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    for (const id of [...this.#open.keys()]) await this.forget(id, true);
  }

  async #session(id: string): Promise<Session> {
    if (!this.#layout.isUploadId(id)) throw unknownUpload(id);
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    const opening = this.#reopen(id);
    this.#open.set(id, opening);
    opening.catch(() => this.#open.delete(id));
    await this.#makeRoom();
    return opening;
  }

  async #reopen(id: string): Promise<Session> {
    try {
      const file = await open(this.#layout.upload(id), 'r+');
      return new Session(id, file, (await file.stat()).size);
    } catch (error) {
      throw isMissing(error) ? unknownUpload(id) : error;
    }
  }

  async #makeRoom(): Promise<void> {
    if (this.#open.size < MOST_OPEN) return;
    let oldest: Session | undefined;
    for (const opening of this.#open.values()) {
      const session = await opening.catch(() => undefined);
      if (session === undefined || session.busy) continue;
      if (oldest === undefined || session.usedAt < oldest.usedAt) oldest = session;
    }
    if (oldest !== undefined && !oldest.busy) await this.forget(oldest.id, false);
  }

  async #closeIdle(): Promise<void> {
    const before = performance.now() - IDLE;
    for (const [id, opening] of this.#open) {
      const session = await opening.catch(() => undefined);
      // A close that fails loses nothing: what was written is in the file, or its writer was told.
      if (session !== undefined && !session.busy && session.usedAt < before)
        await this.forget(id, false).catch(() => undefined);
    }
  }
}
