import { DigestIndex, Digests } from './digests.ts';
import { Growing } from './growing.ts';
import type { EncodedImage, Image } from './image.ts';
import type { ImageColumns, ImageEnds } from './image-columns.ts';
import type { RepositoryUse, Usable } from './in-use.ts';
import { Relation } from './relation.ts';
import { TagColumn } from './tag-column.ts';
import { Texts } from './texts.ts';

const none: readonly string[] = [];
const noEnds: ImageEnds = { children: undefined, subject: undefined };

/** Ends of relations before it is known where the other end is. */
class Ends {
  readonly from = new Growing(Uint32Array);
  readonly to = new Digests();

  add(image: number, digest: string): void {
    this.from.push(image);
    this.to.push(digest);
  }
}

/**
 * The images of one repository in columns, about a hundred bytes each: a million objects would take more memory than a registry
 * may have. Images go in one by one or in batches, and are known by their position from then on.
 */
export class ImageTable {
  readonly #use: RepositoryUse | undefined;
  readonly #digests = new Digests();
  readonly #index = new DigestIndex(this.#digests);
  readonly #pushed = new Growing(Float64Array);
  readonly #pulled = new Growing(Float64Array);
  readonly #sizes = new Growing(Float64Array);
  readonly #children = new Ends();
  readonly #subjects = new Ends();
  readonly #used = new Map<number, string>();
  readonly #texts = new Texts();
  readonly tags = new TagColumn();

  /** @param use who uses images of this repository; nobody by default */
  constructor({ use }: { use?: RepositoryUse } = {}) {
    this.#use = use;
  }

  /** @throws RangeError where the digest is there already */
  add(image: Image | EncodedImage): void {
    const { digest, tags, pushedAt, pulledAt = Number.NaN, size = 0, children, subject } = image;
    const position = this.#digests.length;
    this.#digests.push(digest);
    if (!this.#index.add(position)) throw new RangeError(`the image ${this.#digests.pop()} stands twice in the list`);
    this.#pushed.push(pushedAt);
    this.#pulled.push(pulledAt);
    this.#sizes.push(size);
    const texts = tags instanceof Texts ? tags : this.#encoded(tags);
    const others = this.tags.push(texts, 0, texts.length);
    this.#addEnds(position, { children, subject }, others);
    if (this.#use !== undefined) this.#noteUse(position, texts === tags ? this.#usable(position) : (image as Image));
  }

  /**
   * Adds images that were put in columns elsewhere, with the same outcome as `add` for each.
   * @throws RangeError where the digest of one is there already
   */
  addAll({ length, digests, otherDigests, pushed, pulled, sizes, tags, tagsUpTo, ends }: ImageColumns): void {
    const first = this.#digests.length;
    this.#digests.pushAll(digests, otherDigests);
    this.#pushed.pushAll(pushed);
    this.#pulled.pushAll(pulled);
    this.#sizes.pushAll(sizes);
    let tag = 0;
    for (let index = 0; index < length; index++) {
      const position = first + index;
      if (!this.#index.add(position))
        throw new RangeError(`the image ${this.digest(position)} stands twice in the list`);
      const upTo = tagsUpTo[index] ?? 0;
      const others = this.tags.push(tags, tag, upTo);
      tag = upTo;
      if (ends.size > 0 || others.length > 0) this.#addEnds(position, ends.get(index) ?? noEnds, others);
      if (this.#use !== undefined) this.#noteUse(position, this.#usable(position));
    }
  }

  #addEnds(position: number, { children, subject }: ImageEnds, others: readonly string[]): void {
    for (const child of children ?? none) this.#children.add(position, child);
    if (subject !== undefined) this.#subjects.add(position, subject);
    for (const other of others) this.#subjects.add(position, other);
  }

  #encoded(tags: readonly string[]): Texts {
    this.#texts.clear();
    for (const tag of tags) this.#texts.add(tag);
    return this.#texts;
  }

  #noteUse(position: number, image: Usable): void {
    const by = this.#use?.usedBy(image);
    if (by !== undefined) this.#used.set(position, by);
  }

  /** A list of images has no configs. */
  #usable(position: number): Usable {
    const pulledAt = this.pulledAt(position);
    return {
      digest: this.digest(position),
      tags: this.tags.of(position),
      ...(pulledAt !== undefined && { pulledAt }),
    };
  }

  get length(): number {
    return this.#digests.length;
  }

  digest(position: number): string {
    return this.#digests.at(position);
  }

  /** Writes it as text where it is one of sha256: `textLength` bytes. @returns false for any other, of which nothing is written */
  writeDigest(position: number, into: Uint8Array, at: number): boolean {
    return this.#digests.write(position, into, at);
  }

  /** Undefined where there is no such image. */
  positionOf(digest: string): number | undefined {
    const wanted = new Digests();
    wanted.push(digest);
    const position = this.#index.find(wanted, 0);
    return position < 0 ? undefined : position;
  }

  /** Milliseconds since the epoch, as all times here. */
  pushedAt(position: number): number {
    return this.#pushed.at(position);
  }

  pulledAt(position: number): number | undefined {
    const time = this.#pulled.at(position);
    return Number.isNaN(time) ? undefined : time;
  }

  /** Bytes. */
  size(position: number): number {
    return this.#sizes.at(position);
  }

  /** Those in use, and by whom. */
  get used(): ReadonlyMap<number, string> {
    return this.#used;
  }

  /** Less than zero where the digest at `a` sorts before that at `b`. */
  compareDigests(a: number, b: number): number {
    return this.#digests.compare(a, b);
  }

  /** A number that sorts as the digest does, as far as it goes: of equal ones `compareDigests` decides. */
  digestKey(position: number): number {
    return this.#digests.key(position);
  }

  /** Which images are children of which, and referrers of which; digests that are not there are left out, and those of oneself. */
  relations(): { children: Relation; parents: Relation; subjects: Relation; referrers: Relation } {
    const [parent, child] = this.#resolve(this.#children);
    const [referrer, subject] = this.#resolve(this.#subjects);
    const size = this.length;
    return {
      children: new Relation(size, parent, child),
      parents: new Relation(size, child, parent),
      subjects: new Relation(size, referrer, subject),
      referrers: new Relation(size, subject, referrer),
    };
  }

  #resolve({ from, to }: Ends): [Uint32Array, Uint32Array] {
    const sources = new Uint32Array(from.length);
    const targets = new Uint32Array(from.length);
    let found = 0;
    for (let end = 0; end < from.length; end++) {
      const target = this.#index.find(to, end);
      if (target < 0 || target === from.at(end)) continue;
      sources[found] = from.at(end);
      targets[found++] = target;
    }
    return [sources.subarray(0, found), targets.subarray(0, found)];
  }
}
