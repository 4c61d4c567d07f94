import { createHash, type Hash } from 'node:crypto';

/** The hash of a set of images: of the digests of each repository in order, the repositories in the order of their names. */
export class PlanHash {
  readonly #hash: Hash = createHash('sha256');

  /** @param digests hash of the sorted digests of this repository; nothing where none expires */
  add(repository: string, digests: string): void {
    if (digests !== '') this.#hash.update(`${repository} ${digests}\n`);
  }

  /** `sha256:` and hex digits. */
  get value(): string {
    return `sha256:${this.#hash.copy().digest('hex')}`;
  }
}
