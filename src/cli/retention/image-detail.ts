import type { Image } from '../../domain/retention/image.ts';
import { UsageFailure } from '../failure.ts';
import type { JsonCursor } from './json-cursor.ts';
import { parseTime } from './time.ts';

const openingBrace = 0x7b;
const openingBracket = 0x5b;
const quote = 0x22;

type Written = { -readonly [Field in keyof Image]?: Image[Field] | undefined };

/**
 * Reads one entry of what `aws ecr describe-images` prints; fields that are not known are passed over.
 * @param path of the entry, for people
 * @throws UsageFailure naming the entry and the field
 */
export function readImageDetail(cursor: JsonCursor, path: string): Image {
  if (cursor.peek() !== openingBrace) throw new UsageFailure(`${path}: must be an object`);
  const reader = new DetailReader(cursor, path);
  cursor.object((key) => reader.member(key));
  return reader.image();
}

class DetailReader {
  readonly #cursor: JsonCursor;
  readonly #path: string;
  readonly #written: Written = {};

  constructor(cursor: JsonCursor, path: string) {
    this.#cursor = cursor;
    this.#path = path;
  }

  member(key: string): void {
    const written = this.#written;
    if (key === 'imageDigest') written.digest = this.#text(key);
    else if (key === 'imageTags') written.tags = this.#texts(key);
    else if (key === 'imagePushedAt') written.pushedAt = this.#time(key);
    else if (key === 'lastRecordedPullTime') written.pulledAt = this.#time(key);
    else if (key === 'imageSizeInBytes') written.size = this.#size(key);
    else if (key === 'children') written.children = this.#texts(key);
    else if (key === 'subject') written.subject = this.#text(key);
    else this.#cursor.pass();
  }

  image(): Image {
    const { digest, tags = [], pushedAt, pulledAt, size = 0, children, subject } = this.#written;
    if (digest === undefined || digest === '') throw this.#wrong('imageDigest', 'must be a digest');
    if (pushedAt === undefined) throw this.#wrong('imagePushedAt', 'is missing');
    return {
      digest,
      tags,
      pushedAt,
      size,
      ...(pulledAt !== undefined && { pulledAt }),
      ...(children !== undefined && children.length > 0 && { children }),
      ...(subject !== undefined && { subject }),
    };
  }

  #wrong(field: string, problem: string): UsageFailure {
    return new UsageFailure(`${this.#path}.${field}: ${problem}`);
  }

  #text(field: string): string | undefined {
    if (this.#cursor.isNull()) return undefined;
    if (this.#cursor.peek() !== quote) throw this.#wrong(field, 'must be a digest');
    return this.#cursor.string();
  }

  #texts(field: string): string[] | undefined {
    if (this.#cursor.isNull()) return undefined;
    const wrong = () => this.#wrong(field, 'must be a list of texts');
    if (this.#cursor.peek() !== openingBracket) throw wrong();
    const texts: string[] = [];
    this.#cursor.list(() => {
      if (this.#cursor.peek() !== quote) throw wrong();
      texts.push(this.#cursor.string());
    });
    return texts;
  }

  #time(field: string): number | undefined {
    if (this.#cursor.isNull()) return undefined;
    const value = this.#cursor.peek() === quote ? this.#cursor.string() : this.#number();
    const time = value === undefined ? undefined : parseTime(value);
    if (time === undefined) throw this.#wrong(field, 'must be a time in RFC 3339, or seconds since the epoch');
    return time;
  }

  #size(field: string): number | undefined {
    const size = this.#cursor.isNull() ? 0 : this.#number();
    if (size === undefined || size < 0) throw this.#wrong(field, 'must be a number of bytes');
    return size;
  }

  /** Undefined where something else is next. */
  #number(): number | undefined {
    const code = this.#cursor.peek();
    return code === 0x2d || (code >= 0x30 && code <= 0x39) ? this.#cursor.number() : undefined;
  }
}
