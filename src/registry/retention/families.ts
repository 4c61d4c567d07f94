import type { ImageTable } from '../../domain/retention/table.ts';

/**
 * Images that are to go, in families: an index with its children and a subject with its referrers go in one transaction where they
 * fit, and otherwise in an order in which whoever holds another goes first. By position in the table.
 */
export class Families {
  readonly #going: Uint32Array;
  /** Of each image that is to go and holds another such, or is held by one: who is in one family has one root. */
  readonly #above = new Map<number, number>();
  readonly #members = new Map<number, number[]>();
  readonly #relations: ReturnType<ImageTable['relations']>;

  /** @param going positions, in the order in which they should go */
  constructor(table: ImageTable, going: Uint32Array) {
    this.#going = going;
    this.#relations = table.relations();
    const { children, referrers } = this.#relations;
    if (children.isEmpty && referrers.isEmpty) return;
    const among = new Uint8Array(table.length);
    for (const image of going) among[image] = 1;
    for (const image of going)
      for (const member of [...children.of(image), ...referrers.of(image)])
        if (among[member] === 1) this.#unite(image, member);
    for (const image of going) if (this.#above.has(image)) append(this.#members, this.#root(image), image);
  }

  /** Without the families of which one stays: less may go than was planned, never more, and never a part. */
  without(stays: (image: number) => boolean): Uint32Array {
    const staying = new Set<number>();
    for (const image of this.#going) if (stays(image)) staying.add(this.#root(image));
    return this.#going.filter((image) => !staying.has(this.#root(image)));
  }

  /** In batches of at most `limit` images; only a family that is larger itself is divided. */
  *batches(limit: number): Generator<number[]> {
    let open: number[] = [];
    for (const family of this.#families()) {
      if (open.length + family.length > limit && open.length > 0) {
        yield open;
        open = [];
      }
      open.push(...family);
      while (open.length >= limit) yield open.splice(0, limit);
    }
    if (open.length > 0) yield open;
  }

  /** A family is where its first member was. */
  *#families(): Generator<readonly number[]> {
    const seen = new Set<number>();
    for (const image of this.#going) {
      const root = this.#root(image);
      const members = this.#members.get(root);
      if (members === undefined) yield [image];
      else if (!seen.has(root)) {
        seen.add(root);
        yield this.#holdersFirst(members);
      }
    }
  }

  /** Tags of the referrers' scheme can make a circle; whoever is in one, or held by it, goes last. */
  #holdersFirst(members: readonly number[]): number[] {
    const { children, referrers } = this.#relations;
    const waiting = new Map(members.map((member) => [member, 0]));
    const heldBy = (image: number) => [...children.of(image), ...referrers.of(image)].filter((one) => waiting.has(one));
    for (const member of members) for (const held of heldBy(member)) waiting.set(held, (waiting.get(held) ?? 0) + 1);
    const ordered = members.filter((member) => waiting.get(member) === 0);
    // It grows while it is walked through.
    for (const gone of ordered)
      for (const held of heldBy(gone)) {
        const left = (waiting.get(held) ?? 0) - 1;
        waiting.set(held, left);
        if (left === 0) ordered.push(held);
      }
    return [...ordered, ...members.filter((member) => (waiting.get(member) ?? 0) > 0)];
  }

  #root(image: number): number {
    let at = image;
    for (let above = this.#above.get(at); above !== undefined && above !== at; above = this.#above.get(at)) {
      this.#above.set(at, this.#above.get(above) ?? above);
      at = above;
    }
    return at;
  }

  #unite(one: number, other: number): void {
    for (const image of [one, other]) if (!this.#above.has(image)) this.#above.set(image, image);
    this.#above.set(this.#root(one), this.#root(other));
  }
}

function append(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
