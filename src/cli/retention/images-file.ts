import { type FileHandle, open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { InvalidJson } from '../../domain/json.ts';
import { release } from '../../domain/retention/image-columns.ts';
import type { ImageTable } from '../../domain/retention/table.ts';
import { UsageFailure } from '../failure.ts';
import { ImageList } from './image-list.ts';
import { leastRoom } from './json-cursor.ts';
import type { Piece } from './piece-reader.ts';
import { type Pieces, readPieces } from './pieces.ts';
import { ReadAhead } from './read-ahead.ts';

/** Where images go. What they throw as a RangeError is the file's fault. */
export type ImageSink = Pick<ImageTable, 'add' | 'addAll'>;

export interface ReadOptions {
  readonly signal?: AbortSignal;
  /** Bytes that are read at once where the file is read in order. */
  readonly block?: number;
  /** Bytes of a part of the file that a thread reads at once. */
  readonly piece?: number;
  /** Bytes of a file from which on threads are worth their start. */
  readonly large?: number;
  readonly threads?: number;
  /** Who reads the parts. */
  readonly pieces?: (pieces: Pieces) => AsyncIterable<Piece>;
}

type Settings = ReadOptions & Required<Omit<ReadOptions, 'signal'>>;

const usual: Settings = {
  block: leastRoom,
  piece: 4 * 1024 * 1024,
  large: 16 * 1024 * 1024,
  // More would mostly wait for the one that fills the table, and take memory meanwhile.
  threads: availableParallelism() > 1 ? 2 : 0,
  pieces: readPieces,
};

/**
 * Reads what `aws ecr describe-images` prints (`imageDetails[]`), with `children[]` and `subject` where somebody added them.
 * Times are RFC 3339 or seconds since the epoch, as the AWS CLI prints either. The file may be larger than the memory.
 *
 * Threads read ahead in a large file. What they read is the same as what would be read without them: it is taken only as long as each
 * part begins exactly where the one before has ended; from there on the file is read in order.
 * @param sink is given the images in the order of the file, of which the next is written over the bytes
 * @throws UsageFailure naming the image and the field
 */
export async function readImages(file: string, sink: ImageSink, options: ReadOptions = {}): Promise<void> {
  const handle = await open(file);
  try {
    await new ImagesFile(handle, sink, { ...usual, ...options }).read();
  } catch (error) {
    const isOfFile = error instanceof InvalidJson || error instanceof RangeError || error instanceof UsageFailure;
    throw isOfFile ? new UsageFailure(`${file}: ${error.message}`) : error;
  } finally {
    await handle.close();
  }
}

class ImagesFile {
  readonly #handle: FileHandle;
  readonly #sink: ImageSink;
  readonly #options: Settings;
  readonly #list: ImageList;

  constructor(handle: FileHandle, sink: ImageSink, options: Settings) {
    this.#handle = handle;
    this.#sink = sink;
    this.#options = options;
    this.#list = new ImageList((image) => sink.add(image));
  }

  async read(): Promise<void> {
    const { block } = this.#options;
    let blocks = new ReadAhead(this.#handle, block);
    let mayBeCut = true;
    while (!(await this.#advance(blocks))) {
      const from = this.#list.behindImage;
      if (from === undefined || !mayBeCut) continue;
      mayBeCut = false;
      const pieces = await this.#cut(from);
      if (pieces !== undefined) blocks = new ReadAhead(this.#handle, block, await this.#take(pieces));
    }
  }

  #advance(blocks: ReadAhead): Promise<boolean> {
    this.#options.signal?.throwIfAborted();
    return this.#list.advance((room) => blocks.next(room));
  }

  /** How the rest of the file is cut up, if that is worth it and can be done. */
  async #cut(from: number): Promise<Pieces | undefined> {
    const { large, threads, piece } = this.#options;
    if (threads === 0) return undefined;
    const stat = await this.#handle.stat();
    if (!stat.isFile() || stat.size < large) return undefined;
    const separator = await separatorAt(this.#handle, from);
    return separator && { fd: this.#handle.fd, from, size: stat.size, piece, threads, separator };
  }

  /** @returns where the file is to be read on */
  async #take(pieces: Pieces): Promise<number> {
    let reached = pieces.from;
    for await (const { from, to, images } of this.#options.pieces(pieces)) {
      this.#options.signal?.throwIfAborted();
      if (from !== reached) break;
      this.#sink.addAll(images);
      release(images);
      reached = to;
      this.#list.pass(images.length, to);
    }
    this.#list.pass(0, reached);
    return reached;
  }
}

/** What stands between two images, from the last byte of the one up to the name of the first member of the other. */
async function separatorAt(handle: FileHandle, position: number): Promise<Uint8Array | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, position - 1);
  const [separator] = /^\}\s*,\s*\{\s*"[^"\\]+"/.exec(buffer.toString('latin1', 0, bytesRead)) ?? [];
  return separator === undefined ? undefined : Buffer.from(separator, 'latin1');
}
