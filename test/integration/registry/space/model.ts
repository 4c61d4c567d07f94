/** What the registry should know about blobs and manifests: small enough to be obviously right. */

export const GRACE = 10_000;
const COARSENESS = 5_000;

export const repositories = ['m/a', 'm/b'] as const;
export const blobs = [0, 1] as const;
export const images = [0, 1] as const;
export const tags = ['x', 'y'] as const;

export type Repository = (typeof repositories)[number];

/** A blob that has a row. Times as the store sees them. */
interface Named {
  leasedAt: number;
  /** Waits for review since then; absent while a manifest refers to it. */
  since: number | undefined;
  condemnedAt: number | undefined;
}

export class Model {
  now = 1_000_000;
  readonly named = new Map<number, Named>();
  readonly #visible = new Set<string>();
  /** `repository image` to the blob that it needs. */
  readonly manifests = new Map<string, number>();
  readonly tags = new Map<string, number>();

  sees(repository: Repository, blob: number): boolean {
    return this.#visible.has(`${repository} ${blob}`);
  }

  push(repository: Repository, blob: number): 'named' {
    const known = this.named.get(blob);
    if (known === undefined) this.named.set(blob, { leasedAt: this.now, since: undefined, condemnedAt: undefined });
    else known.leasedAt = this.now;
    this.#visible.add(`${repository} ${blob}`);
    this.#review(blob);
    return 'named';
  }

  mount(repository: Repository, from: Repository, blob: number): boolean {
    if (!this.sees(from, blob)) return false;
    this.push(repository, blob);
    return true;
  }

  lease(blob: number): boolean {
    const row = this.named.get(blob);
    if (row === undefined) return false;
    if (row.since === undefined) return true;
    if (row.leasedAt > this.now - COARSENESS && row.condemnedAt === undefined) return true;
    row.leasedAt = this.now;
    row.condemnedAt = undefined;
    return true;
  }

  deleteBlob(repository: Repository, blob: number): string {
    if (!this.sees(repository, blob)) return 'unknown';
    if ([...this.manifests].some(([name, needs]) => name.startsWith(`${repository} `) && needs === blob))
      return 'referenced';
    this.#visible.delete(`${repository} ${blob}`);
    this.#review(blob);
    return 'deleted';
  }

  /** An image needs the blob of its number, so that its bytes are always the same. */
  put(repository: Repository, image: number, tag: string): string {
    if (!this.sees(repository, image)) return 'missing';
    this.manifests.set(`${repository} ${image}`, image);
    this.tags.set(`${repository} ${tag}`, image);
    const row = this.named.get(image);
    if (row !== undefined) Object.assign(row, { since: undefined, condemnedAt: undefined });
    return 'stored';
  }

  deleteManifest(repository: Repository, image: number): boolean {
    if (!this.manifests.delete(`${repository} ${image}`)) return false;
    for (const tag of tags)
      if (this.tags.get(`${repository} ${tag}`) === image) this.tags.delete(`${repository} ${tag}`);
    this.#review(image);
    return true;
  }

  condemn(): number {
    const due = [...this.named.values()].filter(
      ({ since, leasedAt, condemnedAt }) => condemnedAt === undefined && this.#isOver(since) && this.#isOver(leasedAt),
    );
    for (const row of due) row.condemnedAt = this.now;
    return due.length;
  }

  drop(): number {
    const due = [...this.named].filter(
      ([, { since, leasedAt, condemnedAt }]) =>
        condemnedAt !== undefined && this.#isOver(since) && this.#isOver(leasedAt),
    );
    for (const [blob] of due) {
      this.named.delete(blob);
      for (const repository of repositories) this.#visible.delete(`${repository} ${blob}`);
    }
    return due.length;
  }

  isReferenced(blob: number): boolean {
    return [...this.manifests.values()].includes(blob);
  }

  #isOver(since: number | undefined): boolean {
    return since !== undefined && since <= this.now - GRACE;
  }

  #review(blob: number): void {
    const row = this.named.get(blob);
    if (row === undefined || this.isReferenced(blob)) return;
    row.since = Math.max(row.since ?? 0, this.now);
    row.condemnedAt = undefined;
  }
}
