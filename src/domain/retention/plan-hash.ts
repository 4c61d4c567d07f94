import { createHash, type Hash } from 'node:crypto';
import { sorted } from './age.ts';
import type { Plan } from './plan.ts';
import type { ImageTable } from './table.ts';

const header = 'ne-registry.io/v1alpha1 retention plan\n';

/**
 * Names a set of images that expire, over any number of repositories: two plans have the same hash where they expire the same
 * images, whatever their rules and reasons. It is the sha256 of a line that says what it is, and then of `repository@digest` in
 * the order of repositories and digests, a line each. Nothing is kept of what was added.
 */
export class PlanHash {
  readonly #hash: Hash = createHash('sha256').update(header);
  #last = '';

  /**
   * Repositories with nothing to expire may be left out.
   * @throws RangeError where a repository's name does not sort after the one before, as JavaScript compares texts
   */
  add(repository: string, table: ImageTable, plan: Pick<Plan, 'expires' | 'expiring'>): void {
    if (repository <= this.#last)
      throw new RangeError(`${repository} was planned after ${this.#last}: the hash needs repositories in order`);
    this.#last = repository;
    const expiring = new Uint32Array(plan.expiring);
    let count = 0;
    for (let image = 0; image < table.length; image++) if (plan.expires(image)) expiring[count++] = image;
    for (const image of sorted(expiring, (a, b) => table.compareDigests(a, b) <= 0))
      this.#hash.update(`${repository}@${table.digest(image)}\n`);
  }

  /** `sha256:<hex>`, of what was added so far. */
  digest(): string {
    return `sha256:${this.#hash.copy().digest('hex')}`;
  }
}
