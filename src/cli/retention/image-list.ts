import { InvalidJson } from '../../domain/json.ts';
import type { EncodedImage } from '../../domain/retention/image.ts';
import { UsageFailure } from '../failure.ts';
import { DetailReader, detailFields } from './image-detail.ts';
import { JsonCursor, needMore } from './json-cursor.ts';

/** No image has so many tags or children; a text without end is no list of images. */
const largestEntry = 16 * 1024 * 1024;

const noList = 'needs the list imageDetails, as aws ecr describe-images prints it';

/** What of the document comes next. */
type Stage = 'document' | 'first member' | 'next member' | 'first image' | 'next image' | 'end';

/** The document around the images, read in steps: one that needs more than is there is tried again from its beginning. */
export class ImageList {
  readonly #cursor = new JsonCursor(detailFields);
  readonly #details = new DetailReader(this.#cursor);
  readonly #take: (image: EncodedImage) => void;
  readonly #keys = new Set<string>();
  #stage: Stage = 'document';
  #isObject = false;
  #index = 0;

  /** @param take is given each image, of which the next is written over the bytes */
  constructor(take: (image: EncodedImage) => void) {
    this.#take = take;
  }

  /** Where it is, in bytes, if that is behind an image, and another or the end of the list has to follow. */
  get behindImage(): number | undefined {
    return this.#stage === 'next image' ? this.#cursor.position : undefined;
  }

  /** Goes on behind other images, which somebody else has read: as many as are said, up to this position. */
  pass(images: number, position: number): void {
    this.#index += images;
    this.#cursor.moveTo(position);
  }

  /**
   * Reads on.
   * @param fill writes more of the text where there is room, and answers how many bytes; none at the end
   * @returns whether the document is complete
   * @throws InvalidJson, UsageFailure, and what `take` throws
   */
  async advance(fill: (room: Buffer) => Promise<number>): Promise<boolean> {
    if (this.#cursor.waiting > largestEntry) throw new InvalidJson('not accepted: an entry of more than 16 MiB');
    await this.#cursor.more(fill);
    return this.#steps();
  }

  /** Reads as much as is there. */
  #steps(): boolean {
    let done = this.#cursor.position;
    try {
      while (!this.#step()) done = this.#cursor.position;
      return true;
    } catch (error) {
      if (error !== needMore) throw error;
      this.#cursor.goBack(done);
      return false;
    }
  }

  /** True at the end. Nothing is remembered of a step before it has read all that it needs. */
  #step(): boolean {
    const cursor = this.#cursor;
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
    const cursor = this.#cursor;
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
    const cursor = this.#cursor;
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
