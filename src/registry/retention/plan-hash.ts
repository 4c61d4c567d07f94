import { createHash, type Hash } from 'node:crypto';
import { textLength } from '../../domain/retention/digests.ts';
import type { Plan } from '../../domain/retention/plan.ts';
import { sortedPositions } from '../../domain/retention/sorting.ts';
import type { ImageTable } from '../../domain/retention/table.ts';

/** Digests that are hashed at once. */
const enough = 512;
const newline = 0x0a;
const lineLength = textLength + 1;

/**
 * Hash of the images of one repository that expire: sha256 of their digests in order, a line each, in hex. Empty where none does.
 */
export function expiringHash(table: ImageTable, plan: Pick<Plan, 'expires' | 'expiring'>): string {
  if (plan.expiring === 0) return '';
  const keys = new Float64Array(plan.expiring);
  const positions = new Uint32Array(plan.expiring);
  let count = 0;
  for (let image = 0; image < table.length; image++) {
    if (!plan.expires(image)) continue;
    keys[count] = table.digestKey(image);
    positions[count++] = image;
  }
  const hash = createHash('sha256');
  const lines = Buffer.allocUnsafe(Math.min(plan.expiring, enough) * lineLength);
  let used = 0;
  for (const image of sortedPositions({ keys, positions }, (a, b) => table.compareDigests(a, b))) {
    if (used === lines.length) {
      hash.update(lines);
      used = 0;
    }
    if (table.writeDigest(image, lines, used)) {
      used += lineLength;
      lines[used - 1] = newline;
    } else {
      hash.update(lines.subarray(0, used)).update(`${table.digest(image)}\n`);
      used = 0;
    }
  }
  return hash.update(lines.subarray(0, used)).digest('hex');
}

/**
 * Names a set of images that expire, over any number of repositories: two plans have the same hash where they expire the same
 * images, whatever their rules and reasons. It is the sha256 of a line `repository hash` for each repository, in the order of
 * their names; nothing is kept of what was added.
 */
export class PlanHash {
  readonly #hash: Hash = createHash('sha256');
  #last = '';

  /**
   * @param expiring of `expiringHash`; where nothing expires, the repository does not count
   * @throws RangeError where the name does not sort after the one before, as JavaScript compares texts
   */
  add(repository: string, expiring: string): void {
    if (repository <= this.#last)
      throw new RangeError(`${repository} was planned after ${this.#last}: the hash needs repositories in order`);
    this.#last = repository;
    if (expiring !== '') this.#hash.update(`${repository} ${expiring}\n`);
  }

  /** `sha256:` and hex digits, of what was added so far. */
  get value(): string {
    return `sha256:${this.#hash.copy().digest('hex')}`;
  }
}
