import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { padded, tarBlock, writeTarHeader } from './tar-header.ts';

/** Where files are written to: a folder or a new tar archive. */
export interface FileSink {
  readonly name: string;
  has(path: string): Promise<boolean>;
  /** The content of a file that was there before; undefined where there is none. */
  existing(path: string): Promise<Buffer | undefined>;
  /** Writes a file of exactly `size` bytes; it exists once the promise resolves. Several may be written at once. */
  write(path: string, size: number, chunks: AsyncIterable<Buffer>): Promise<void>;
  /** Makes all of it visible and durable, or removes what is not. */
  finish(outcome: 'complete' | 'failed'): Promise<void>;
}

/** A folder, made where it is missing. Each file appears under its name in one step. */
export function folderSink(folder: string): FileSink {
  const partial = new Set<string>();
  return {
    name: folder,
    async has(path) {
      return (await stat(join(folder, path)).catch(() => undefined))?.isFile() === true;
    },
    async existing(path) {
      return await readFile(join(folder, path)).catch(() => undefined);
    },
    async write(path, _size, chunks) {
      const final = join(folder, path);
      await mkdir(dirname(final), { recursive: true });
      const temporary = partialName(final);
      partial.add(temporary);
      const handle = await open(temporary, 'wx');
      try {
        let at = 0;
        for await (const chunk of chunks) {
          await writeAt(handle, chunk, at);
          at += chunk.length;
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, final);
      partial.delete(temporary);
    },
    async finish() {
      for (const temporary of partial) await rm(temporary, { force: true });
    },
  };
}

/**
 * A tar archive beside its final name, renamed when complete. Sizes are known beforehand, so every file gets its place
 * at once and several are written in parallel.
 */
export async function tarSink(file: string): Promise<FileSink> {
  await mkdir(dirname(file), { recursive: true });
  const temporary = partialName(file);
  return new TarSink(file, temporary, await open(temporary, 'wx'));
}

class TarSink implements FileSink {
  readonly name: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #written = new Set<string>();
  #end = 0;

  constructor(name: string, temporary: string, handle: FileHandle) {
    this.name = name;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  async has(path: string): Promise<boolean> {
    return this.#written.has(path);
  }

  async existing(): Promise<undefined> {
    return undefined;
  }

  async write(path: string, size: number, chunks: AsyncIterable<Buffer>): Promise<void> {
    let at = this.#end;
    this.#end += tarBlock + padded(size);
    await writeAt(this.#handle, writeTarHeader(path, size), at);
    at += tarBlock;
    for await (const chunk of chunks) {
      await writeAt(this.#handle, chunk, at);
      at += chunk.length;
    }
    this.#written.add(path);
  }

  async finish(outcome: 'complete' | 'failed'): Promise<void> {
    if (outcome === 'failed') {
      await this.#handle.close();
      await rm(this.#temporary, { force: true });
      return;
    }
    // Two blocks of zeros end an archive; what was padded between files reads as zeros already.
    await this.#handle.truncate(this.#end + 2 * tarBlock);
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#temporary, this.name);
  }
}

/** Writes all of `bytes`: a full disk may take a part before it says so. */
async function writeAt(handle: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}

function partialName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.partial`);
}
