import type { Writable } from 'node:stream';
import { gone } from '../departure.ts';
import type { BlobReader, ByteSpan } from '../store.ts';
import type { Buffers } from './buffers.ts';
import type { OpenFile, OpenFiles } from './open-files.ts';
import { readAt, Transfer } from './transfer.ts';

/** Sends parts of a stored file: handed over inside the kernel where it can be, else from pooled buffers. */
export class FileReader implements BlobReader {
  readonly size: number;
  #file: OpenFile;
  #files: OpenFiles;
  #buffers: Buffers;
  #closed = false;
  readonly #transfers = new Set<Transfer>();

  constructor(file: OpenFile, files: OpenFiles, buffers: Buffers) {
    this.size = file.size;
    this.#file = file;
    this.#files = files;
    this.#buffers = buffers;
  }

  async send(sink: Writable, start: number, end: number, owner = ''): Promise<void> {
    const content = this.#file.content ?? (await this.#loadSmall());
    if (content === undefined) return this.#transfer(sink, { start, end }, owner);
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

  async #transfer(sink: Writable, span: ByteSpan, owner: string): Promise<void> {
    if (this.#closed) throw gone();
    const transfer = new Transfer({ file: this.#file, buffers: this.#buffers, sink, owner }, span);
    this.#transfers.add(transfer);
    try {
      await transfer.run();
    } finally {
      this.#transfers.delete(transfer);
      if (this.#closed) await this.#release();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const transfer of this.#transfers) transfer.break();
    await this.#release();
  }

  /** The file stays open as long as anybody sends from it: its descriptor could be another file's. */
  async #release(): Promise<void> {
    if (this.#transfers.size === 0) await this.#files.give(this.#file);
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
