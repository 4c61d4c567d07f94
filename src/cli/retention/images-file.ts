import { type FileHandle, open } from 'node:fs/promises';
import { InvalidJson } from '../../domain/json.ts';
import type { EncodedImage } from '../../domain/retention/image.ts';
import { UsageFailure } from '../failure.ts';
import { DetailReader, detailFields } from './image-detail.ts';
import { JsonCursor, leastRoom, needMore } from './json-cursor.ts';

/** No image has so many tags or children; a text without end is no list of images. */
const largestEntry = 16 * 1024 * 1024;

const noList = 'needs the list imageDetails, as aws ecr describe-images prints it';

/**
 * Reads what `aws ecr describe-images` prints (`imageDetails[]`), with `children[]` and `subject` where somebody added them.
 * Times are RFC 3339 or seconds since the epoch, as the AWS CLI prints either. The file may be larger than the memory.
 * @param take is given each image, in the order of the file, of which the next is written over the bytes; where it throws a RangeError, the file is at fault
 * @throws UsageFailure naming the image and the field
 */
export async function readImages(file: string, take: (image: EncodedImage) => void): Promise<void> {
  const list = new ImageList(take);
  const handle = await open(file);
  const pieces = new ReadAhead(handle);
  try {
    while (!list.advance()) {
      if (list.cursor.waiting > largestEntry) throw new InvalidJson('not accepted: an entry of more than 16 MiB');
      await list.cursor.more((room) => pieces.next(room));
    }
  } catch (error) {
    const isOfFile = error instanceof InvalidJson || error instanceof RangeError || error instanceof UsageFailure;
    throw isOfFile ? new UsageFailure(`${file}: ${error.message}`) : error;
  } finally {
    await handle.close();
  }
}

/** The pieces of a file, of which one is read while the one before is worked on. */
class ReadAhead {
  readonly #handle: FileHandle;
  readonly #piece = Buffer.allocUnsafeSlow(leastRoom);
  #reading: Promise<number>;

  constructor(handle: FileHandle) {
    this.#handle = handle;
    this.#reading = this.#read();
  }

  /** Writes the next piece to a place, and answers how long it is. */
  async next(place: Buffer): Promise<number> {
    const length = await this.#reading;
    this.#piece.copy(place, 0, 0, length);
    this.#reading = this.#read();
    return length;
  }

  #read(): Promise<number> {
    const reading = this.#handle.read(this.#piece, 0, leastRoom, null).then(({ bytesRead }) => bytesRead);
    // Told to whoever asks for the piece, if anybody does.
    reading.catch(() => undefined);
    return reading;
  }
}

/** What of the document comes next. */
type Stage = 'document' | 'first member' | 'next member' | 'first image' | 'next image' | 'end';

/** The document around the images, read in steps: one that needs more than is there is tried again from its beginning. */
class ImageList {
  readonly cursor = new JsonCursor(detailFields);
  readonly #details = new DetailReader(this.cursor);
  readonly #take: (image: EncodedImage) => void;
  readonly #keys = new Set<string>();
  #stage: Stage = 'document';
  #isObject = false;
  #index = 0;

  constructor(take: (image: EncodedImage) => void) {
    this.#take = take;
  }

  /** Reads as much as is there. @returns whether the document is complete */
  advance(): boolean {
    let done = this.cursor.position;
    try {
      while (!this.#step()) done = this.cursor.position;
      return true;
    } catch (error) {
      if (error !== needMore) throw error;
      this.cursor.goBack(done);
      return false;
    }
  }

  /** True at the end. Nothing is remembered of a step before it has read all that it needs. */
  #step(): boolean {
    const { cursor } = this;
    switch (this.#stage) {
      case 'document':
        this.#isObject = !cursor.skip('[');
        if (this.#isObject) cursor.expect('{');
        this.#stage = this.#isObject ? 'first member' : 'first image';
        return false;
      case 'first member':
      case 'next member':
        this.#member();
        return false;
      case 'first image':
      case 'next image':
        this.#image();
        return false;
      case 'end':
        if (cursor.isAtEnd()) return true;
        throw cursor.wrong('something stands after the end');
    }
  }

  #member(): void {
    const { cursor } = this;
    const isFirst = this.#stage === 'first member';
    if (isFirst ? cursor.skip('}') : !cursor.skip(',')) {
      if (!isFirst) cursor.expect('}');
      if (!this.#keys.has('imageDetails')) throw new UsageFailure(noList);
      this.#stage = 'end';
      return;
    }
    const key = cursor.string();
    if (this.#keys.has(key)) throw cursor.wrong(`the key ${JSON.stringify(key.slice(0, 64))} stands twice`);
    cursor.expect(':');
    if (key !== 'imageDetails') cursor.pass();
    else if (!cursor.skip('[')) throw new UsageFailure(noList);
    this.#keys.add(key);
    this.#stage = key === 'imageDetails' ? 'first image' : 'next member';
  }

  #image(): void {
    const { cursor } = this;
    const isFirst = this.#stage === 'first image';
    if (isFirst ? cursor.skip(']') : !cursor.skip(',')) {
      if (!isFirst) cursor.expect(']');
      this.#stage = this.#isObject ? 'next member' : 'end';
      return;
    }
    this.#take(this.#details.next(this.#index));
    this.#index++;
    this.#stage = 'next image';
  }
}
