import { InvalidJson } from '../../domain/json.ts';
import { ImageBatch, type ImageColumns } from '../../domain/retention/image-columns.ts';
import { UsageFailure } from '../failure.ts';
import { DetailReader, detailFields } from './image-detail.ts';
import { JsonCursor, needMore } from './json-cursor.ts';

/** Part of a file, in bytes of it. */
export interface Span {
  readonly begin: number;
  readonly end: number;
}

/** The images of a part of a file, if an image did end where that was guessed. */
export interface Piece {
  /** Behind the image before. */
  readonly from: number;
  /** Behind the last image; before the end of the part where something follows that is no image, or none as it should be. */
  readonly to: number;
  readonly images: ImageColumns;
}

/** @returns bytes that were read from a position of the file; 0 at its end */
export type ReadAt = (room: Buffer, position: number) => number;

/** No tag is longer in a table (`TagColumn`): who reads in order has to tell. */
const longestTag = 256 * 1024;
const searched = 16 * 1024;

/**
 * Reads images in the middle of a file. Where an image ends there can only be guessed, by what stood between the first two; who reads
 * the file in order knows where it stands, and takes nothing that did not begin right there. So nothing here has to be right, but
 * what is taken is read as strictly as anything.
 */
export class PieceReader {
  readonly #readAt: ReadAt;
  readonly #separator: Buffer;
  readonly #cursor = new JsonCursor(detailFields);
  readonly #details = new DetailReader(this.#cursor);
  readonly #batch = new ImageBatch();

  /** @param separator what stands between images: from the last byte of one into the next */
  constructor(readAt: ReadAt, separator: Uint8Array) {
    this.#readAt = readAt;
    this.#separator = Buffer.from(separator);
  }

  /**
   * The images that end in a part of the file, and the one that goes on past its end; not the one that goes on past its beginning.
   * @param isSure an image has ended right before it: nothing is to be guessed
   */
  read({ begin, end }: Span, isSure: boolean): Piece {
    const from = isSure ? begin : this.#guess(begin, end);
    if (from === undefined) return { from: begin, to: begin, images: this.#batch.take() };
    this.#cursor.moveTo(from);
    const to = this.#readImages(from, end);
    return { from, to, images: this.#batch.take() };
  }

  /** The first place that looks like the end of an image. */
  #guess(begin: number, end: number): number | undefined {
    const overlap = this.#separator.length - 1;
    const room = Buffer.allocUnsafe(searched + overlap);
    for (let at = begin - 1; at < end; at += searched) {
      const length = this.#readAt(room, at);
      const found = room.subarray(0, length).indexOf(this.#separator);
      if (found >= 0) return at + found + 1;
      if (length < room.length) return undefined;
    }
    return undefined;
  }

  /** @returns where the last image ended that is as it should be */
  #readImages(from: number, end: number): number {
    let done = from;
    let read = from;
    for (;;) {
      try {
        while (done < end) done = this.#next();
        return done;
      } catch (error) {
        if (error !== needMore) return placeOf(error, done);
      }
      this.#cursor.goBack(done);
      // An entry of so many bytes is for who reads in order.
      if (this.#cursor.waiting > end - from) return done;
      const room = this.#cursor.makeRoom().subarray(0, Math.max(searched, end - read));
      const added = this.#readAt(room, read);
      this.#cursor.filled(added);
      read += added;
    }
  }

  /** @returns where the next image ends */
  #next(): number {
    this.#cursor.expect(',');
    const image = this.#details.next(0);
    for (let tag = 0; tag < image.tags.length; tag++)
      if (image.tags.end(tag) - image.tags.start(tag) > longestTag) throw new RangeError('a tag is too long');
    const end = this.#cursor.position;
    this.#batch.add(image);
    return end;
  }
}

/** Whatever is wrong with a file is found again by who reads in order, and told. */
function placeOf(error: unknown, done: number): number {
  if (error instanceof InvalidJson || error instanceof UsageFailure || error instanceof RangeError) return done;
  throw error;
}
