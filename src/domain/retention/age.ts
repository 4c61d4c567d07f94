import type { ImageTable } from './table.ts';

/**
 * The images by the time of their push, the oldest first; of equal times the digest that sorts first counts as older.
 * @param leftOut positions that do not come in
 */
export function oldestFirst(table: ImageTable, leftOut: (image: number) => boolean): Uint32Array {
  const times = new Float64Array(table.length);
  let order = new Uint32Array(table.length);
  let count = 0;
  for (let image = 0; image < table.length; image++) {
    times[image] = table.pushedAt(image);
    if (!leftOut(image)) order[count++] = image;
  }
  order = order.subarray(0, count);
  const isOrdered = (a: number, b: number) => {
    const [before, after] = [times[a] ?? 0, times[b] ?? 0];
    return before < after || (before === after && table.compareDigests(a, b) <= 0);
  };
  return sorted(order, isOrdered);
}

/**
 * Merges runs twice as long each time: of a million, the engine's own sort keeps every one as an object meanwhile. The array that
 * is given is written over.
 */
export function sorted(order: Uint32Array<ArrayBuffer>, isOrdered: (a: number, b: number) => boolean): Uint32Array {
  let [from, to] = [order, new Uint32Array(order.length)];
  for (let run = 1; run < order.length; run *= 2) {
    for (let start = 0; start < order.length; start += 2 * run)
      merge(
        from,
        to,
        { start, middle: Math.min(start + run, order.length), end: Math.min(start + 2 * run, order.length) },
        isOrdered,
      );
    [from, to] = [to, from];
  }
  return from;
}

interface Runs {
  readonly start: number;
  readonly middle: number;
  readonly end: number;
}

function merge(
  from: Uint32Array,
  to: Uint32Array,
  { start, middle, end }: Runs,
  isOrdered: (a: number, b: number) => boolean,
): void {
  let [left, right] = [start, middle];
  for (let at = start; at < end; at++) {
    const takeLeft = right >= end || (left < middle && isOrdered(from[left] ?? 0, from[right] ?? 0));
    to[at] = from[takeLeft ? left++ : right++] ?? 0;
  }
}
