type Numbers = Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

const smallest = 16;
const bits = 15;
const chunk = 2 ** bits;
const mask = chunk - 1;

/**
 * Numbers that are only ever put at the end. They lie in chunks: one array that doubles would leave as much garbage as it holds,
 * and a few numbers cost only as much as they need.
 */
export class Growing<Row extends Numbers> {
  readonly #make: new (
    length: number,
  ) => Row;
  readonly #rows: Row[] = [];
  #length = 0;

  /** @param make the typed array wanted */
  constructor(make: new (length: number) => Row) {
    this.#make = make;
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    const place = this.#length & mask;
    let row = this.#rows[this.#length >> bits];
    if (row === undefined || place === row.length) row = this.#makeRoom(row);
    row[place] = value;
    this.#length++;
  }

  pushAll(values: Row): void {
    for (let done = 0; done < values.length; ) {
      const place = this.#length & mask;
      let row = this.#rows[this.#length >> bits];
      if (row === undefined || place === row.length) row = this.#makeRoom(row);
      const some = values.subarray(done, done + row.length - place);
      row.set(some, place);
      this.#length += some.length;
      done += some.length;
    }
  }

  /** 0 where there is none. */
  at(position: number): number {
    return this.#rows[position >> bits]?.[position & mask] ?? 0;
  }

  #makeRoom(row: Row | undefined): Row {
    const isFirst = this.#length < chunk;
    const larger = new this.#make(isFirst ? Math.max(smallest, this.#length * 2) : chunk);
    if (row !== undefined) larger.set(row);
    this.#rows[this.#length >> bits] = larger;
    return larger;
  }
}
