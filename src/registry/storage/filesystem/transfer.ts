import { read } from 'node:fs';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import { StoreError } from '../../metadata/store.ts';
import { gone, PATIENCE } from '../departure.ts';
import type { ByteSpan } from '../store.ts';
import type { Buffers } from './buffers.ts';
import { deliver, type Lent } from './delivery.ts';
import { isSocket, markActive } from './descriptor.ts';
import { storageError } from './faults.ts';
import type { Span } from './kernel.ts';
import type { OpenFile } from './open-files.ts';
import type { BufferPool } from './pool.ts';
import type { Sender } from './sender.ts';
import type { Sendfile } from './sendfile.ts';

/** Where the kernel takes the rest, only so much goes by way of a buffer, bytes: its write tells when there is room again. */
const TELLING = 16 * 1024;

interface Parties {
  readonly file: OpenFile;
  readonly buffers: Buffers;
  readonly sink: Writable;
  /** Client address. */
  readonly owner: string;
}

/** A range of a large file on its way to one client: handed over inside the kernel where it can be, else from pooled buffers. */
export class Transfer {
  readonly #parties: Parties;
  readonly #end: number;
  /** The next byte. */
  #position: number;
  /** Small buffers at first, so that a client that reads nothing holds little. */
  #large = false;
  /** Where this transfer is counted, as long as the client takes bytes without a halt. */
  #counted: Sender | undefined;
  #broken = false;

  constructor(parties: Parties, { start, end }: ByteSpan) {
    this.#parties = parties;
    this.#position = start;
    this.#end = end;
  }

  /** Rejects as `BlobReader.send` does. */
  async run(): Promise<void> {
    const { sink, buffers } = this.#parties;
    this.#setBrisk(true);
    try {
      while (this.#left > 0) {
        if (sink.destroyed || this.#broken) throw gone();
        const handed = buffers.sendfile !== undefined && (await this.#handOver(buffers.sendfile));
        if (this.#left > 0) await this.#deliver(handed);
      }
    } finally {
      this.#setBrisk(false);
    }
  }

  /** Nothing more is handed over; `run` rejects soon. */
  break(): void {
    this.#broken = true;
  }

  get #left(): number {
    return this.#end - this.#position + 1;
  }

  /**
   * As much as the kernel takes at once. What is left when it takes no more goes from a buffer, whose write tells when the client
   * has room again, and whether it is there at all. Answers whether the kernel took anything.
   */
  async #handOver(sendfile: Sendfile): Promise<boolean> {
    const { sink, file } = this.#parties;
    const before = this.#position;
    for (let roomy = true; roomy && this.#left > 0 && !this.#broken; ) {
      const span = { fd: file.fd, start: this.#position, end: this.#end };
      roomy =
        this.#counted?.wants(span) === true && isSocket(sink)
          ? await this.#leave(sink, span)
          : this.#hand(sendfile, span);
      // Others have their turn.
      if (roomy && this.#left > 0) await immediate();
    }
    return this.#position > before;
  }

  /** The next piece. Answers whether there may be room for more. */
  #hand(sendfile: Sendfile, span: Span): boolean {
    const { count, roomy } = sendfile.send(this.#parties.sink, span);
    this.#position += count;
    if (count > 0) markActive(this.#parties.sink);
    return roomy;
  }

  /** To the thread that helps, until it gives it back. Answers as `#hand` does. */
  async #leave(sink: Socket, span: Span): Promise<boolean> {
    const returned = await this.#counted?.send(sink, span);
    this.#position = returned?.position ?? this.#position;
    return returned?.inTurn === true;
  }

  /** The next bytes, from a buffer. @param little only so many as tell when there is room again */
  async #deliver(little: boolean): Promise<void> {
    const { buffers, sink, owner } = this.#parties;
    const { large, small, lane } = buffers;
    const wanted = this.#left;
    const pool: BufferPool = !this.#large || little || wanted <= small.size ? small : large;
    const lent = { buffer: await pool.take(owner), pool, owner };
    const told = little ? this.#fillFromMemory(lent.buffer, Math.min(TELLING, wanted)) : 0;
    const length = told > 0 ? told : await this.#fill(lent, wanted);
    const slow = (await deliver(sink, { ...lent, length }, lane)) > PATIENCE;
    this.#large = !slow;
    this.#setBrisk(!slow);
    this.#position += length;
  }

  #setBrisk(brisk: boolean): void {
    if (brisk === (this.#counted !== undefined)) return;
    this.#counted?.leave();
    this.#counted = brisk ? this.#parties.buffers.sendfile?.sender : undefined;
    this.#counted?.enter();
  }

  /** At once, or not at all. */
  #fillFromMemory(buffer: Buffer, wanted: number): number {
    const span = { fd: this.#parties.file.fd, start: this.#position, end: this.#position + wanted - 1 };
    return this.#parties.buffers.sendfile?.read(buffer, span) ?? 0;
  }

  /** Reads up to `wanted` bytes. Where there are none left the file is shorter than it should be. */
  async #fill({ buffer, pool, owner }: Lent, wanted: number): Promise<number> {
    const { fd, key } = this.#parties.file;
    try {
      const length = await readAt(fd, buffer, Math.min(buffer.byteLength, wanted), this.#position);
      if (length > 0) return length;
      const message = `${key} ends at ${this.#position}, before the bytes that were asked for; it is damaged`;
      throw new StoreError('corrupt', message);
    } catch (error) {
      pool.replace(owner);
      throw storageError(error, `reading ${key}`);
    }
  }
}

export function readAt(fd: number, buffer: Buffer, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    read(fd, buffer, 0, length, position, (error, count) => (error ? reject(error) : resolve(count))),
  );
}
