import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { TransferError } from '../errors.ts';
import { padded, readPaxRecords, readTarHeader, type TarHeader, tarBlock } from './tar-header.ts';

/** Files by their path with `/`, wherever they are: a folder or a tar archive. Nothing is unpacked. */
export interface FileTree {
  /** For messages. */
  readonly name: string;
  /** The size of a file in bytes, undefined where there is none. */
  size(path: string): Promise<number | undefined>;
  /** The bytes of a file from `offset` on. @throws TransferError `NotFound` */
  read(path: string, offset: number): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

/** Reads a small file whole. @throws TransferError `NotFound`, or `Invalid` past `limit` bytes */
export async function readWhole(tree: FileTree, path: string, limit: number): Promise<Buffer> {
  const size = await tree.size(path);
  if (size === undefined) throw missing(tree.name, path);
  if (size > limit)
    throw new TransferError('Invalid', `${tree.name}: ${path} has ${size} bytes, which is too long for what it is`);
  const chunks: Buffer[] = [];
  for await (const chunk of tree.read(path, 0)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The files below a folder. */
export function folderTree(folder: string): FileTree {
  return {
    name: folder,
    async size(path) {
      const found = await stat(inside(folder, path)).catch(() => undefined);
      return found?.isFile() === true ? found.size : undefined;
    },
    async *read(path, offset) {
      yield* createReadStream(inside(folder, path), { start: offset, highWaterMark: 262_144 }) as AsyncIterable<Buffer>;
    },
    async close() {},
  };
}

interface Place {
  readonly offset: number;
  readonly size: number;
}

const maxEntries = 100_000;
const maxPaxBytes = 1_048_576;
const readBytes = 262_144;

/** The files in a tar archive, found by reading its headers alone. `onClose` is called once it is closed. */
export async function tarTree(file: string, name: string, onClose?: () => Promise<void>): Promise<FileTree> {
  const handle = await open(file, 'r');
  try {
    const places = await new TarIndex(handle, name).read();
    return new TarTree({ handle, name, places, ...(onClose === undefined ? {} : { onClose }) });
  } catch (error) {
    await handle.close();
    await onClose?.();
    throw error;
  }
}

class TarTree implements FileTree {
  readonly name: string;
  readonly #handle: FileHandle;
  readonly #places: ReadonlyMap<string, Place>;
  readonly #onClose: (() => Promise<void>) | undefined;

  constructor(parts: {
    handle: FileHandle;
    name: string;
    places: ReadonlyMap<string, Place>;
    onClose?: () => Promise<void>;
  }) {
    this.name = parts.name;
    this.#handle = parts.handle;
    this.#places = parts.places;
    this.#onClose = parts.onClose;
  }

  async size(path: string): Promise<number | undefined> {
    return this.#places.get(plain(path))?.size;
  }

  async *read(path: string, offset: number): AsyncGenerator<Buffer> {
    const place = this.#places.get(plain(path));
    if (place === undefined) throw missing(this.name, path);
    for (let at = offset; at < place.size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(readBytes, place.size - at));
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, place.offset + at);
      if (bytesRead === 0)
        throw new TransferError('Corrupt', `${this.name}: the archive ends in the middle of ${path}`);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
    await this.#onClose?.();
  }
}

/** Walks the headers of an archive. Links lead to the file they name, once all names are known. */
class TarIndex {
  readonly #handle: FileHandle;
  readonly #name: string;
  readonly #files = new Map<string, Place>();
  readonly #links = new Map<string, string>();
  #overrides: { path?: string; link?: string; size?: number } = {};

  constructor(handle: FileHandle, name: string) {
    this.#handle = handle;
    this.#name = name;
  }

  async read(): Promise<ReadonlyMap<string, Place>> {
    try {
      await this.#walk();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new TransferError('Invalid', `${this.#name}: not a readable tar archive: ${error.message}`, {
        cause: error,
      });
    }
    for (const path of this.#links.keys()) this.#resolve(path);
    return this.#files;
  }

  async #walk(): Promise<void> {
    for (let at = 0, entries = 0; ; entries++) {
      if (entries > maxEntries) throw new RangeError(`more than ${maxEntries} entries`);
      const block = await this.#bytes(at, tarBlock);
      if (block.length === 0 && entries > 0) return;
      if (block.length < tarBlock) throw new RangeError('it ends in the middle of a header');
      const header = readTarHeader(block);
      if (header === undefined) return;
      const size = header.kind === 'file' ? (this.#overrides.size ?? header.size) : header.size;
      await this.#take(header, { offset: at + tarBlock, size });
      at += tarBlock + padded(size);
    }
  }

  async #take(header: TarHeader, place: Place): Promise<void> {
    if (header.kind === 'pax') {
      const records = readPaxRecords(await this.#small(place));
      const size = records.get('size');
      this.#override({
        path: records.get('path'),
        link: records.get('linkpath'),
        size: size === undefined ? undefined : Number(size),
      });
      return;
    }
    if (header.kind === 'gnu-name') return this.#override({ path: cString(await this.#small(place)) });
    if (header.kind === 'gnu-link') return this.#override({ link: cString(await this.#small(place)) });

    const path = plain(this.#overrides.path ?? header.path);
    const link = this.#overrides.link ?? header.link;
    this.#overrides = {};
    if (header.kind === 'file') this.#files.set(path, place);
    if (header.kind === 'hardlink') this.#links.set(path, plain(link));
    if (header.kind === 'symlink') this.#links.set(path, plain(posix.join(posix.dirname(path), link)));
  }

  #override(values: { path?: string | undefined; link?: string | undefined; size?: number | undefined }): void {
    for (const [key, value] of Object.entries(values))
      if (value !== undefined) Object.assign(this.#overrides, { [key]: value });
  }

  #resolve(path: string): void {
    let target = this.#links.get(path);
    for (let hops = 0; hops < 10 && target !== undefined && !this.#files.has(target); hops++)
      target = this.#links.get(target);
    const place = target === undefined ? undefined : this.#files.get(target);
    if (place !== undefined && !this.#files.has(path)) this.#files.set(path, place);
  }

  async #small(place: Place): Promise<Buffer> {
    if (place.size > maxPaxBytes) throw new RangeError('an extended header is too long');
    return await this.#bytes(place.offset, place.size);
  }

  async #bytes(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await this.#handle.read(buffer, 0, length, offset);
    return buffer.subarray(0, bytesRead);
  }
}

function plain(path: string): string {
  return posix.normalize(path).replace(/^(\.?\/)+/, '');
}

function inside(folder: string, path: string): string {
  const clean = plain(path);
  if (clean === '..' || clean.startsWith('../'))
    throw new TransferError('Invalid', `${folder}: names a file outside itself: ${path}`);
  return join(folder, clean);
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

function missing(name: string, path: string): TransferError {
  return new TransferError('NotFound', `${name}: has no file ${path}`);
}
