import { read } from 'node:fs';
import type { Writable } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import { StoreError } from '../../metadata/store.ts';
import type { BlobReader } from '../store.ts';
import { deliver, gone, type Lent, PATIENCE } from './delivery.ts';
import { storageError } from './faults.ts';
import type { OpenFile, OpenFiles } from './open-files.ts';
import { BufferPool } from './pool.ts';
import { openSendfile, type Sendfile } from './sendfile.ts';
import { SlowLane } from './slow-lane.ts';

/** Buffers that nobody has a use for are freed after this time, milliseconds. */
const IDLE = 1_000;

/** The memory that all readers of a store share: 4 MiB, 2 MiB for what is small or slow, and the slow lane's bound. */
export class Buffers {
  readonly large = new BufferPool(512 * 1024, 8);
  readonly small = new BufferPool(64 * 1024, 32);
  readonly lane = new SlowLane();
  /** Looked for when the first large file is sent: a registry that sends none need not know. */
  readonly #sendfile = { asked: false, found: undefined as Sendfile | undefined };
  readonly #trimmer = setInterval(() => {
    this.large.trim();
    this.small.trim();
  }, IDLE).unref();

  /** The kernel's own way from a file to a socket, where there is one and it is known already. */
  get sendfile(): Sendfile | undefined {
    if (!this.#sendfile.asked) {
      this.#sendfile.asked = true;
      void openSendfile().then((found) => {
        this.#sendfile.found = found;
      });
    }
    return this.#sendfile.found;
  }

  /** Bytes that went to clients without their sockets' knowledge. */
  get unseen(): number {
    return this.#sendfile.found?.sent ?? 0;
  }

  close(): void {
    clearInterval(this.#trimmer);
  }
}

/** Where the kernel takes the rest, only so much goes by way of a buffer, bytes: its write tells when there is room again. */
const TELLING = 16 * 1024;

/** Sends parts of a stored file: handed over inside the kernel where it can be, else from pooled buffers. */
export class FileReader implements BlobReader {
  readonly size: number;
  #file: OpenFile;
  #files: OpenFiles;
  #buffers: Buffers;
  #closed = false;

  constructor(file: OpenFile, files: OpenFiles, buffers: Buffers) {
    this.size = file.size;
    this.#file = file;
    this.#files = files;
    this.#buffers = buffers;
  }

  async send(sink: Writable, start: number, end: number, owner = ''): Promise<void> {
    const content = this.#file.content ?? (await this.#loadSmall());
    if (content === undefined) return this.#sendParts(sink, { start, end }, owner);
    await write(sink, content.subarray(start, end + 1));
  }

  /** All of a small file, to be kept, or undefined where it is not small enough or there is no room. */
  async #loadSmall(): Promise<Buffer | undefined> {
    const file = this.#file;
    if (!this.#files.mayKeep(file)) return undefined;
    const content = Buffer.allocUnsafeSlow(file.size);
    const length = await readAt(file.fd, content, file.size, 0).catch(() => -1);
    if (length !== file.size) return undefined;
    this.#files.keep(file, content);
    return content;
  }

  async #sendParts(sink: Writable, { start, end }: { start: number; end: number }, owner: string): Promise<void> {
    const { large, small, lane } = this.#buffers;
    // Small at first, so that a client that reads nothing holds little.
    let slow = true;
    for (let position = start; position <= end; ) {
      if (sink.destroyed || this.#closed) throw gone();
      const handed = await this.#handOver(sink, position, end);
      position += handed;
      const wanted = end - position + 1;
      if (wanted === 0) return;
      const pool: BufferPool = slow || handed > 0 || wanted <= small.size ? small : large;
      const lent = { buffer: await pool.take(owner), pool, owner };
      const told = handed > 0 ? this.#fillFromMemory(lent.buffer, position, Math.min(TELLING, wanted)) : 0;
      const length = told > 0 ? told : await this.#fill(lent, position, wanted);
      slow = (await deliver(sink, { ...lent, length }, lane)) > PATIENCE;
      position += length;
    }
  }

  /**
   * As much as the kernel takes at once. What is left when it takes no more goes from a buffer, whose write tells when the client
   * has room again, and whether it is there at all.
   */
  async #handOver(sink: Writable, start: number, end: number): Promise<number> {
    const { sendfile } = this.#buffers;
    if (sendfile === undefined) return 0;
    const { fd } = this.#file;
    let position = start;
    while (position <= end && !this.#closed) {
      const count = sendfile.send(sink, { fd, start: position, end });
      if (count === 0) break;
      position += count;
      // Others have their turn.
      if (position <= end) await immediate();
    }
    return position - start;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#files.give(this.#file);
  }

  /** At once, or not at all. */
  #fillFromMemory(buffer: Buffer, position: number, wanted: number): number {
    const span = { fd: this.#file.fd, start: position, end: position + wanted - 1 };
    return this.#buffers.sendfile?.read(buffer, span) ?? 0;
  }

  /** Reads up to `wanted` bytes. Where there are none left the file is shorter than it should be. */
  async #fill({ buffer, pool, owner }: Lent, position: number, wanted: number): Promise<number> {
    const { fd, key } = this.#file;
    try {
      const length = await readAt(fd, buffer, Math.min(buffer.byteLength, wanted), position);
      if (length > 0) return length;
      const message = `${key} ends at ${position}, before the bytes that were asked for; it is damaged`;
      throw new StoreError('corrupt', message);
    } catch (error) {
      pool.replace(owner);
      throw storageError(error, `reading ${key}`);
    }
  }
}

/** Writes bytes that nobody will change: they need not be waited for, only the sink's failure and its back-pressure. */
function write(sink: Writable, bytes: Buffer): Promise<void> | void {
  if (sink.destroyed) throw gone();
  if (bytes.byteLength === 0 || sink.write(bytes)) return;
  return drained(sink);
}

function drained(sink: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const drain = () => {
      sink.off('close', close);
      resolve();
    };
    const close = () => {
      sink.off('drain', drain);
      reject(gone());
    };
    sink.once('drain', drain).once('close', close);
  });
}

function readAt(fd: number, buffer: Buffer, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    read(fd, buffer, 0, length, position, (error, count) => (error ? reject(error) : resolve(count))),
  );
}
