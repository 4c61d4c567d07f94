/** Positions with a number each, in two columns. */
interface Column {
  readonly keys: Float64Array;
  readonly positions: Uint32Array;
}

/**
 * Positions in the order of their keys. Runs are merged, each twice as long as those before: the engine's own sort of a typed array
 * by a comparison keeps every element as an object meanwhile. Keys move along with their positions, because to look each up would
 * miss the processor's caches a million times over.
 * @param column is written over
 * @param isOrdered of two positions with the same key, whether they are in order
 */
export function sortedPositions(column: Column, isOrdered: (before: number, after: number) => boolean): Uint32Array {
  const { length } = column.positions;
  let [from, to]: [Column, Column] = [column, { keys: new Float64Array(length), positions: new Uint32Array(length) }];
  for (let run = 1; run < length; run *= 2) {
    for (let start = 0; start < length; start += 2 * run)
      merge(from, to, {
        start,
        middle: Math.min(start + run, length),
        end: Math.min(start + 2 * run, length),
        isOrdered,
      });
    [from, to] = [to, from];
  }
  return from.positions;
}

interface Runs {
  readonly start: number;
  readonly middle: number;
  readonly end: number;
  readonly isOrdered: (before: number, after: number) => boolean;
}

function merge(from: Column, to: Column, { start, middle, end, isOrdered }: Runs): void {
  let [left, right] = [start, middle];
  for (let at = start; at < end; at++) {
    const source = right >= end || (left < middle && isLeftNext(from, left, right, isOrdered)) ? left++ : right++;
    to.keys[at] = from.keys[source] ?? 0;
    to.positions[at] = from.positions[source] ?? 0;
  }
}

function isLeftNext({ keys, positions }: Column, left: number, right: number, isOrdered: Runs['isOrdered']): boolean {
  const [before, after] = [keys[left] ?? 0, keys[right] ?? 0];
  if (before !== after) return before < after;
  return isOrdered(positions[left] ?? 0, positions[right] ?? 0);
}
