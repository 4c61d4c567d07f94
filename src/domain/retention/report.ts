import {
  formatInventory,
  InvalidInventory,
  type Inventory,
  keptBounds,
  parseInventory,
  type UsedImage,
} from './inventory.ts';
import { namesOf } from './used-names.ts';

/** A cluster's report as the registry keeps it. */
export interface Report {
  readonly cluster: string;
  /** By the clock of the cluster. */
  readonly reportedAt: number;
  /** By the clock of the registry, which alone says what is stale. */
  readonly receivedAt: number;
  /** JSON of `formatInventory`. */
  readonly document: string;
  /** Of `namesOf`. */
  readonly names: readonly string[];
}

/** How far ahead of ours a cluster's clock may be: until ours gets there, its reports would look old once it is put right. */
const furthestAhead = 86_400_000;

/**
 * What is kept of a cluster after a report came. One that is not newer than what we have (the clock was put back, an old
 * one was late, or it came twice) takes nothing away, and does not count as hearing from the cluster: its names are kept beside
 * the others until a newer one comes.
 * @throws InvalidInventory where the two together are too large, or the cluster's clock is more than a day ahead
 */
export function receiveReport(
  before: Report | undefined,
  { cluster, receivedAt, inventory }: { cluster: string; receivedAt: number; inventory: Inventory },
): Report {
  if (inventory.reportedAt > receivedAt + furthestAhead)
    throw new InvalidInventory([
      `reportedAt: ${new Date(inventory.reportedAt).toISOString()} is more than a day ahead of the registry's clock; set the clock of the cluster`,
    ]);
  if (before === undefined || inventory.reportedAt > before.reportedAt) return kept(cluster, receivedAt, inventory);
  const known = parseInventory(before.document, keptBounds);
  return kept(cluster, before.receivedAt, { ...known, images: unite(known.images, inventory.images) });
}

function kept(cluster: string, receivedAt: number, inventory: Inventory): Report {
  const document = formatInventory(inventory);
  if (document.length > keptBounds.bytes || inventory.images.length > keptBounds.images)
    throw new InvalidInventory([
      'the report is not newer than the one before, and too large together with it; send one with a later reportedAt',
    ]);
  return { cluster, reportedAt: inventory.reportedAt, receivedAt, document, names: namesOf(inventory) };
}

function unite(some: readonly UsedImage[], others: readonly UsedImage[]): UsedImage[] {
  const united = new Map<string, UsedImage>();
  for (const { image, digests, by } of [...some, ...others]) {
    const known = united.get(image);
    united.set(image, {
      image,
      digests: [...new Set([...(known?.digests ?? []), ...digests])],
      by: [...new Set([...(known?.by ?? []), ...by])],
    });
  }
  return [...united.values()];
}
