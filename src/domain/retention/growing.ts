/** Numbers in a row that grows: eight bytes for a number, and none of them an object. */

type Numbers = Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

const smallest = 16;

/** The same numbers, with room for at least `needed`. Doubles, so that n numbers cost of the order of n. */
export function withRoom<Row extends Numbers>(row: Row, needed: number): Row {
  if (needed <= row.length) return row;
  const larger = new (row.constructor as new (length: number) => Row)(Math.max(smallest, row.length * 2, needed));
  larger.set(row);
  return larger;
}

/** Numbers that are only ever put at the end. */
export class Growing<Row extends Numbers> {
  #values: Row;
  #length = 0;

  /** @param empty an empty array of the type wanted */
  constructor(empty: Row) {
    this.#values = empty;
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    this.#values = withRoom(this.#values, this.#length + 1);
    this.#values[this.#length++] = value;
  }

  /** 0 where there is none. */
  at(position: number): number {
    return position < this.#length ? (this.#values[position] ?? 0) : 0;
  }

  /** What is there so far, without a copy. */
  values(): Row {
    return this.#values.subarray(0, this.#length) as Row;
  }
}
