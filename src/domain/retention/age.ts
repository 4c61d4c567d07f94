import { sortedPositions } from './sorting.ts';
import type { ImageTable } from './table.ts';

/**
 * The images by the time of their push, the oldest first; of equal times the digest that sorts first counts as older.
 * @param isLeftOut positions that do not come in
 */
export function oldestFirst(table: ImageTable, isLeftOut: (image: number) => boolean): Uint32Array {
  const keys = new Float64Array(table.length);
  const positions = new Uint32Array(table.length);
  let count = 0;
  for (let image = 0; image < table.length; image++) {
    if (isLeftOut(image)) continue;
    keys[count] = table.pushedAt(image);
    positions[count++] = image;
  }
  return sortedPositions({ keys: keys.subarray(0, count), positions: positions.subarray(0, count) }, (a, b) =>
    table.compareDigests(a, b),
  );
}
