import type { MetadataStore, Statistics } from './metadata/store.ts';
import type { BlobStore } from './storage/store.ts';

export interface UsageFigures extends Statistics {
  readonly freeBytes: number | undefined;
}

/** Counting is work for the thread that serves: figures are this old at most, milliseconds. */
const lifetime = 15_000;

/** How much the registry holds, for metrics and status; counted anew only when the figures have aged. */
export class Usage {
  readonly #stores: { metadata: Pick<MetadataStore, 'statistics'>; blobs: Pick<BlobStore, 'freeBytes'> };
  readonly #now: () => number;
  #counted: { at: number; figures: Promise<UsageFigures> } | undefined;

  /** @param now milliseconds since the epoch */
  constructor(
    stores: { metadata: Pick<MetadataStore, 'statistics'>; blobs: Pick<BlobStore, 'freeBytes'> },
    now: () => number,
  ) {
    this.#stores = stores;
    this.#now = now;
  }

  /** Rejects where a store cannot tell; the next call asks again. */
  figures(): Promise<UsageFigures> {
    const at = this.#now();
    if (this.#counted !== undefined && at - this.#counted.at < lifetime) return this.#counted.figures;
    const figures = this.#count();
    this.#counted = { at, figures };
    figures.catch(() => {
      this.#counted = undefined;
    });
    return figures;
  }

  async #count(): Promise<UsageFigures> {
    const { metadata, blobs } = this.#stores;
    const [statistics, freeBytes] = await Promise.all([metadata.statistics(), blobs.freeBytes()]);
    return { ...statistics, freeBytes };
  }
}
