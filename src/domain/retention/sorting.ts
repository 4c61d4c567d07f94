/** Positions with a number each, in two columns. */
interface Column {
  readonly keys: Float64Array<ArrayBuffer>;
  readonly positions: Uint32Array<ArrayBuffer>;
}

/** Less than zero where `a` comes before `b`. */
type Compare = (a: number, b: number) => number;

/** Fewer than these are compared with each other faster than counted. */
const few = 256;

/**
 * Positions in the order of their keys. Keys are not compared but dealt out by each of their bytes, the last first, and move along
 * with their positions: to compare a million of them would miss the processor's caches and its guesses twenty times as often.
 * @param column is written over
 * @param compare positions with the same key
 */
export function sortedPositions(column: Column, compare: Compare): Uint32Array {
  if (column.positions.length < few || !areNatural(column.keys)) return compared(column, compare);
  const sorted = dealt(column);
  sortEqual(sorted, compare);
  return sorted.positions;
}

function compared({ keys, positions }: Column, compare: Compare): Uint32Array {
  const keyOf = (index: number) => keys[index] ?? 0;
  const positionOf = (index: number) => positions[index] ?? 0;
  const order = Array.from(keys.keys()).sort((a, b) => keyOf(a) - keyOf(b) || compare(positionOf(a), positionOf(b)));
  return Uint32Array.from(order, positionOf);
}

/** Whether their bytes sort as they do: those of what is less than nothing do not. */
function areNatural(keys: Float64Array): boolean {
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] ?? 0;
    if (!(key >= 0)) return false;
    // Of the two zeros, the one whose bytes are 0.
    if (key === 0) keys[index] = 0;
  }
  return true;
}

function dealt(column: Column): Column {
  const { length } = column.positions;
  let from = column;
  let to: Column = { keys: new Float64Array(length), positions: new Uint32Array(length) };
  // As every processor has them that Node runs on: the last byte first.
  for (let byte = 0; byte < 8; byte++) {
    const places = placesOf(from.keys, byte);
    if (places === undefined) continue;
    deal({ from, to }, byte, places);
    [from, to] = [to, from];
  }
  return from;
}

/** Of each value of a byte, where the first key with it is to go; undefined where it is the same in all keys. */
function placesOf(keys: Float64Array, byte: number): Uint32Array | undefined {
  const bytes = new Uint8Array(keys.buffer, keys.byteOffset, keys.byteLength);
  const places = new Uint32Array(256);
  for (let at = byte; at < bytes.length; at += 8) {
    const value = bytes[at] ?? 0;
    places[value] = (places[value] ?? 0) + 1;
  }
  if (places[bytes[byte] ?? 0] === keys.length) return undefined;
  let before = 0;
  for (const [value, count] of places.entries()) {
    places[value] = before;
    before += count;
  }
  return places;
}

function deal({ from, to }: { from: Column; to: Column }, byte: number, places: Uint32Array): void {
  const bytes = new Uint8Array(from.keys.buffer, from.keys.byteOffset, from.keys.byteLength);
  for (let index = 0; index < from.keys.length; index++) {
    const value = bytes[8 * index + byte] ?? 0;
    const place = places[value] ?? 0;
    places[value] = place + 1;
    to.keys[place] = from.keys[index] ?? 0;
    to.positions[place] = from.positions[index] ?? 0;
  }
}

/** Not the engine's sort of a typed array: with a comparison that keeps every element as an object. */
function sortEqual({ keys, positions }: Column, compare: Compare): void {
  for (let start = 0; start < keys.length; ) {
    let end = start + 1;
    while (end < keys.length && keys[end] === keys[start]) end++;
    if (end > start + 1) positions.set(Array.from(positions.subarray(start, end)).sort(compare), start);
    start = end;
  }
}
