import { Refusal } from '../../../domain/errors.ts';
import type { AppendOptions } from '../store.ts';
import { unknownUpload } from '../upload-refusals.ts';
import type { Creation } from './bucket.ts';
import type { Multipart } from './multipart.ts';
import { MOST_PARTS, type PartPlan } from './part-plan.ts';
import type { Session } from './session.ts';
import { Tail, type TailParts } from './tail.ts';

export interface AppenderParts extends TailParts {
  readonly multipart: Multipart;
  readonly plan: PartPlan;
  /** Bytes of one part that are gathered in memory. */
  readonly gather: number;
  /** What the blob is created with. */
  readonly blobCreation: Creation;
}

/** Takes a body into an upload: fills a part while the one before is being sent. */
export class Appender {
  readonly #session: Session;
  readonly #parts: AppenderParts;

  constructor(session: Session, parts: AppenderParts) {
    this.#session = session;
    this.#parts = parts;
  }

  /**
   * Takes a body. What arrived of it is in the bucket afterwards, also where it broke; unless the upload is `closing` at once,
   * in which case the rest may be in memory.
   */
  async run(body: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<void> {
    const { signal, maxBytes = Number.MAX_SAFE_INTEGER, ownsChunks = false, closing = false } = options;
    let accepted = this.#session.size;
    try {
      for await (const chunk of body) {
        signal?.throwIfAborted();
        this.#goOn();
        accepted += chunk.byteLength;
        if (accepted > maxBytes) throw tooLarge(maxBytes);
        await this.#take(chunk, ownsChunks);
      }
    } catch (error) {
      await this.#settle(ownsChunks);
      throw error;
    }
    if (!closing) await this.#settle(ownsChunks);
  }

  /** Sends the tail as the last part. */
  async sendLast(): Promise<void> {
    if (this.#session.tail.length > 0) await this.#send();
    await this.#landed();
  }

  async #take(chunk: Uint8Array, owned: boolean): Promise<void> {
    const session = this.#session;
    for (let rest = chunk; rest.byteLength > 0; ) {
      const space = this.#parts.plan(session.nextPart) - session.tail.length;
      const room = Math.min(space, this.#parts.gather - session.tail.filling);
      const bytes = rest.byteLength <= room ? rest : rest.subarray(0, room);
      session.hash.update(bytes, session.size);
      const { byteLength } = bytes;
      await session.tail.add(bytes, owned && bytes === chunk);
      this.#goOn();
      session.size += byteLength;
      rest = rest.subarray(byteLength);
      if (byteLength === space) await this.#send();
      else if (byteLength === room) await this.#makeRoom();
    }
  }

  /** The part does not fit into memory: what there is of it goes to the bucket, and comes back when it is whole. */
  async #makeRoom(): Promise<void> {
    await this.#session.tail.save();
    this.#session.tail.dropCopies();
  }

  #goOn(): void {
    if (this.#session.ended) throw unknownUpload(this.#session.id);
  }

  /** Everything that was taken is in the bucket afterwards. */
  async #settle(owned: boolean): Promise<void> {
    await this.#landed();
    this.#goOn();
    await this.#session.tail.save();
    // Whoever keeps his chunks may use them for something else now.
    if (!owned) this.#session.tail.dropCopies();
  }

  async #landed(): Promise<void> {
    await this.#session.flight;
    this.#session.flight = undefined;
  }

  /** Begins to send the tail as the next part, as soon as the part before has arrived. */
  async #send(): Promise<void> {
    const session = this.#session;
    await this.#landed();
    const number = session.parts.length + 1;
    if (number > MOST_PARTS) throw tooLarge(session.size);
    const { tail } = session;
    const sha256 = tail.offset === 0 ? session.hash.hex('sha256', session.size) : undefined;
    session.tail = new Tail(session.id, session.size, this.#parts);
    const flight = this.#fly(tail, number, sha256);
    flight.catch(() => undefined);
    session.flight = flight;
  }

  async #fly(tail: Tail, number: number, sha256: string | undefined): Promise<void> {
    const session = this.#session;
    const { bucket, layout, multipart: uploads } = this.#parts;
    try {
      const multipart = session.multipart ?? (await this.#create());
      const sending = uploads.upload(
        { name: layout.blob(session.id), id: multipart.id, number },
        await tail.body(sha256),
      );
      const [part] = await Promise.all([sending, multipart.recorded]);
      if (part === undefined) throw unknownUpload(session.id);
      session.parts.push(part);
    } catch (error) {
      // Its pieces stay: they are what the upload can be continued from.
      await tail.release();
      throw error;
    }
    // Nobody reads pieces that a part holds; those that stay go with the upload.
    const pieces = await tail.release();
    if (pieces.length > 0) await bucket.removeAll(pieces).catch(() => undefined);
  }

  /** Other replicas find it by an object that names it, which is there before anything of it is acknowledged. */
  async #create(): Promise<NonNullable<Session['multipart']>> {
    const { layout, multipart, bucket, blobCreation, creation } = this.#parts;
    const session = this.#session;
    const id = await multipart.create(layout.blob(session.id), blobCreation);
    const recorded =
      session.claim === undefined
        ? Promise.resolve()
        : bucket.putBytes(layout.multipart(session.id), Buffer.from(id), creation);
    recorded.catch(() => undefined);
    session.multipart = { id, recorded };
    return session.multipart;
  }
}

function tooLarge(limit: number): Refusal {
  const message = `the blob is larger than the ${limit} bytes that this registry accepts`;
  return new Refusal('SIZE_INVALID', message, { status: 413 });
}
