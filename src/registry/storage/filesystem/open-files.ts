import { close, fstat, open } from 'node:fs';
import { promisify } from 'node:util';

const openFile = promisify(open);
const statFile = promisify(fstat);
const closeFile = promisify(close);

/** Files without a reader that stay open, so that the next pull of a popular blob need not open, stat and close. */
const MOST_IDLE = 128;
/** For how long, milliseconds. */
const IDLE = 5_000;
/** The whole content of a file up to this size (bytes) is kept while it is open, up to a bound over all: such are image configurations. */
const SMALL = 64 * 1024;
const MOST_CONTENT = 2 * 1024 * 1024;

/** An open file that readers share. Plain descriptors: a FileHandle that somebody forgot would end the process. */
export class OpenFile {
  readonly key: string;
  readonly fd: number;
  readonly size: number;
  /** All the bytes, of a small file that is read often. */
  content: Buffer | undefined;
  readers = 0;
  idleSince = 0;
  /** Removed or replaced: closed as soon as nobody reads. */
  stale = false;

  constructor(key: string, fd: number, size: number) {
    this.key = key;
    this.fd = fd;
    this.size = size;
  }
}

/** Stored files that are open for reading, each once however many read it. */
export class OpenFiles {
  #known = new Map<string, OpenFile>();
  #idle = new Set<OpenFile>();
  #contentBytes = 0;
  #sweeper: NodeJS.Timeout;

  constructor() {
    this.#sweeper = setInterval(() => this.#sweep(performance.now() - IDLE), IDLE);
    this.#sweeper.unref();
  }

  /** Throws what the file system throws. The caller gives it back. */
  async take(key: string, path: string): Promise<OpenFile> {
    const file = this.#known.get(key) ?? (await this.#open(key, path));
    file.readers += 1;
    this.#idle.delete(file);
    return file;
  }

  async give(file: OpenFile): Promise<void> {
    file.readers -= 1;
    if (file.readers > 0) return;
    if (file.stale) return closeFile(file.fd);
    file.idleSince = performance.now();
    this.#idle.add(file);
    if (this.#idle.size > MOST_IDLE) this.#sweep(Number.NEGATIVE_INFINITY);
  }

  /** What is kept of a file. */
  content(key: string): Buffer | undefined {
    return this.#known.get(key)?.content;
  }

  /** Whether the content of this file may be kept. */
  mayKeep(file: OpenFile): boolean {
    return file.size <= SMALL && !file.stale && this.#contentBytes + file.size <= MOST_CONTENT;
  }

  /** Keeps the content for the next readers; nobody may change it. */
  keep(file: OpenFile, content: Buffer): void {
    if (file.content !== undefined || !this.mayKeep(file)) return;
    file.content = content;
    this.#contentBytes += content.byteLength;
  }

  /** The bytes under a key are removed: who asks for it again finds out. */
  forget(key: string): void {
    const file = this.#known.get(key);
    if (file === undefined) return;
    this.#known.delete(key);
    file.stale = true;
    this.#contentBytes -= file.content?.byteLength ?? 0;
    file.content = undefined;
    if (this.#idle.delete(file)) close(file.fd, () => undefined);
  }

  close(): void {
    clearInterval(this.#sweeper);
    for (const key of [...this.#known.keys()]) this.forget(key);
  }

  async #open(key: string, path: string): Promise<OpenFile> {
    const fd = await openFile(path, 'r');
    try {
      const { size } = await statFile(fd);
      const file = new OpenFile(key, fd, size);
      // Who opened it meanwhile is shared from now on; this one serves its one reader.
      if (this.#known.has(key)) file.stale = true;
      else this.#known.set(key, file);
      return file;
    } catch (error) {
      await closeFile(fd);
      throw error;
    }
  }

  /** Closes what was idle since before `before`, and the longest idle beyond the bound. */
  #sweep(before: number): void {
    for (const file of this.#idle) {
      if (file.idleSince >= before && this.#idle.size <= MOST_IDLE) return;
      this.forget(file.key);
    }
  }
}
