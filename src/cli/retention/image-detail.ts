import type { EncodedImage } from '../../domain/retention/image.ts';
import { Texts } from '../../domain/retention/texts.ts';
import { UsageFailure } from '../failure.ts';
import type { JsonCursor } from './json-cursor.ts';
import { parseTime } from './time.ts';
import { timeInBytes } from './time-in-bytes.ts';

const openingBrace = 0x7b;
const openingBracket = 0x5b;
const quote = 0x22;

/** What is read of an entry: its cursor has to know these names, in this order. Others are passed over. */
export const detailFields = [
  'imageDigest',
  'imageTags',
  'imagePushedAt',
  'lastRecordedPullTime',
  'imageSizeInBytes',
  'children',
  'subject',
] as const;

const none: string[] = [];

type Field = (typeof detailFields)[number];

/** Reads entries of what `aws ecr describe-images` prints, each into the place of the one before. */
export class DetailReader {
  readonly #cursor: JsonCursor;
  readonly #readMember = (name: number) => this.#read(name < detailFields.length ? detailFields[name] : undefined);
  readonly #readTag = () => this.#tag();
  readonly #readChild = () => this.#child();
  readonly #sha256 = new Uint8Array(32);
  readonly #tags = new Texts();
  #index = 0;
  #digest: string | Uint8Array | undefined;
  #pushedAt: number | undefined;
  #pulledAt: number | undefined;
  #size: number | undefined;
  #subject: string | undefined;
  #children = none;

  /** @param cursor that knows `detailFields` */
  constructor(cursor: JsonCursor) {
    this.#cursor = cursor;
  }

  /**
   * @param index of the entry, for people
   * @returns an image of which the next call writes over the digest and the tags
   * @throws UsageFailure naming the entry and the field
   */
  next(index: number): EncodedImage {
    this.#index = index;
    if (this.#cursor.peek() !== openingBrace) throw new UsageFailure(`imageDetails[${index}]: must be an object`);
    this.#forget();
    this.#cursor.object(this.#readMember);
    const digest = this.#digest;
    const pushedAt = this.#pushedAt;
    if (digest === undefined || digest === '') throw this.#wrong('imageDigest', 'must be a digest');
    if (pushedAt === undefined) throw this.#wrong('imagePushedAt', 'is missing');
    return {
      digest,
      tags: this.#tags,
      pushedAt,
      pulledAt: this.#pulledAt,
      size: this.#size,
      children: this.#children,
      subject: this.#subject,
    };
  }

  #forget(): void {
    this.#digest = undefined;
    this.#tags.clear();
    this.#pushedAt = undefined;
    this.#pulledAt = undefined;
    this.#size = undefined;
    this.#subject = undefined;
    this.#children = none;
  }

  #read(field: Field | undefined): void {
    if (field === undefined) this.#cursor.pass();
    else if (!this.#cursor.isNull()) this.#readValue(field);
  }

  #readValue(field: Field): void {
    switch (field) {
      case 'imageDigest':
        this.#digest = this.#readDigest(field);
        break;
      case 'imageTags':
        this.#readTexts(field, this.#readTag);
        break;
      case 'imagePushedAt':
        this.#pushedAt = this.#readTime(field);
        break;
      case 'lastRecordedPullTime':
        this.#pulledAt = this.#readTime(field);
        break;
      case 'imageSizeInBytes':
        this.#size = this.#readSize(field);
        break;
      case 'children':
        this.#readTexts(field, this.#readChild);
        break;
      case 'subject':
        this.#readText(field);
        this.#subject = this.#cursor.text;
    }
  }

  #wrong(field: Field, problem: string): UsageFailure {
    return new UsageFailure(`imageDetails[${this.#index}].${field}: ${problem}`);
  }

  #readText(field: Field): void {
    if (this.#cursor.peek() !== quote) throw this.#wrong(field, 'must be a digest');
    this.#cursor.readString();
  }

  #readDigest(field: Field): string | Uint8Array {
    if (this.#cursor.skipSha256(this.#sha256)) return this.#sha256;
    this.#readText(field);
    return this.#cursor.text;
  }

  /** @param item reads one of them */
  #readTexts(field: Field, item: () => void): void {
    if (this.#cursor.peek() !== openingBracket) throw this.#wrong(field, 'must be a list of texts');
    this.#cursor.list(item);
  }

  #readItem(field: Field): void {
    if (this.#cursor.peek() !== quote) throw this.#wrong(field, 'must be a list of texts');
    this.#cursor.readString();
  }

  #tag(): void {
    const cursor = this.#cursor;
    this.#readItem('imageTags');
    if (cursor.isPlain) this.#tags.addBytes(cursor.bytes, cursor.from, cursor.to);
    else this.#tags.add(cursor.text);
  }

  #child(): void {
    this.#readItem('children');
    // The image before still has its own.
    if (this.#children === none) this.#children = [];
    this.#children.push(this.#cursor.text);
  }

  #readTime(field: Field): number {
    const time = this.#cursor.peek() === quote ? this.#timeInText() : parseTime(this.#number() ?? Number.NaN);
    if (time === undefined) throw this.#wrong(field, 'must be a time in RFC 3339, or seconds since the epoch');
    return time;
  }

  #timeInText(): number | undefined {
    const cursor = this.#cursor;
    cursor.readString();
    const time = timeInBytes(cursor.bytes, cursor.from, cursor.to);
    return Number.isNaN(time) ? parseTime(cursor.text) : time;
  }

  #readSize(field: Field): number {
    const size = this.#number();
    if (size === undefined || size < 0) throw this.#wrong(field, 'must be a number of bytes');
    return size;
  }

  /** Undefined where something else is next. */
  #number(): number | undefined {
    const code = this.#cursor.peek();
    return code === 0x2d || (code >= 0x30 && code <= 0x39) ? this.#cursor.number() : undefined;
  }
}
