import { Growing, withRoom } from './growing.ts';
import { isReferrerTag } from './image.ts';
import type { Matcher } from './pattern.ts';

/** Bytes of all tags of a repository: more would not fit the offsets, nor the memory of anybody. */
const mostBytes = 0xffff_ffff;

/** The tags of images in a row, as the bytes of their texts one after another. */
export class TagColumn {
  #bytes = new Uint8Array(0);
  #buffer = Buffer.from(this.#bytes.buffer);
  #used = 0;
  /** Where each tag ends. */
  readonly #ends = new Growing(new Uint32Array(0));
  /** 1 for a tag of the referrers' scheme, which the rules do not see. */
  readonly #referring = new Growing(new Uint8Array(0));
  /** How many tags there are up to and with those of an image. */
  readonly #upTo = new Growing(new Uint32Array(0));
  #hasReferring = false;

  /** Of the next image. @throws RangeError past 4 GiB of tags */
  push(tags: readonly string[]): void {
    for (const tag of tags) {
      const most = this.#used + tag.length * 3;
      if (most > mostBytes) throw new RangeError('the tags of the repository take more than 4 GiB');
      if (most > this.#bytes.length) {
        this.#bytes = withRoom(this.#bytes, most);
        this.#buffer = Buffer.from(this.#bytes.buffer);
      }
      this.#used += this.#buffer.write(tag, this.#used);
      this.#ends.push(this.#used);
      const referring = isReferrerTag(tag);
      this.#referring.push(referring ? 1 : 0);
      this.#hasReferring ||= referring;
    }
    this.#upTo.push(this.#ends.length);
  }

  /** All tags of an image, in the order in which they came. */
  of(image: number): string[] {
    const tags: string[] = [];
    for (let tag = this.#first(image); tag < this.#upTo.at(image); tag++) tags.push(this.#text(tag));
    return tags;
  }

  /** Whether it has any that the rules see. */
  has(image: number): boolean {
    const [first, end] = [this.#first(image), this.#upTo.at(image)];
    if (!this.#hasReferring) return end > first;
    for (let tag = first; tag < end; tag++) if (this.#referring.at(tag) === 0) return true;
    return false;
  }

  /** Whether one of those that the rules see matches. */
  some(image: number, matches: Matcher): boolean {
    return this.#find(image, matches) >= 0;
  }

  /** The first that does. */
  find(image: number, matches: Matcher): string | undefined {
    const tag = this.#find(image, matches);
    return tag < 0 ? undefined : this.#text(tag);
  }

  #find(image: number, matches: Matcher): number {
    const end = this.#upTo.at(image);
    for (let tag = this.#first(image); tag < end; tag++) {
      if (this.#hasReferring && this.#referring.at(tag) === 1) continue;
      if (matches(this.#bytes, this.#start(tag), this.#ends.at(tag))) return tag;
    }
    return -1;
  }

  #first(image: number): number {
    return image === 0 ? 0 : this.#upTo.at(image - 1);
  }

  #start(tag: number): number {
    return tag === 0 ? 0 : this.#ends.at(tag - 1);
  }

  #text(tag: number): string {
    return this.#buffer.toString('utf8', this.#start(tag), this.#ends.at(tag));
  }
}
