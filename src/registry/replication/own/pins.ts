import type { Digest } from '../../../domain/oci/digest.ts';
import type { InUse } from '../../../domain/retention/in-use.ts';
import type { ImageRow, Retaining } from '../../metadata/retaining.ts';
import type { MetadataStore, Millis } from '../../metadata/store.ts';

export interface PinsParts {
  readonly metadata: Pick<Retaining, 'inventories' | 'imagesOf'> & Pick<MetadataStore, 'manifest'>;
  /** Which clusters report here what they run. */
  inUse(): { readonly clusters: readonly string[]; readonly staleSeconds: number };
  now(): Millis;
}

/** Reports may be large: for so long what was read of them serves, milliseconds. */
const lifetime = 10_000;
const hour = 3_600_000;

/** What of this registry's images clusters use: other registries' deletions do not take it away. */
export class Pins {
  readonly #parts: PinsParts;
  #read: { readonly at: Millis; readonly inUse: Promise<InUse> } | undefined;

  constructor(parts: PinsParts) {
    this.#parts = parts;
  }

  /** Who uses the image that a tag stands for, in words; undefined where nobody does. */
  async holding(repository: string, tag: string): Promise<string | undefined> {
    const { metadata, inUse } = this.#parts;
    if (inUse().clusters.length === 0) return undefined;
    const row = await metadata.manifest(repository, { tag });
    if (row === undefined) return undefined;
    const used = await this.#inUse();
    if (used.missing.length > 0) return `perhaps cluster ${used.missing[0]}, which has not reported yet`;
    const use = used.in(repository);
    const [image] = await metadata.imagesOf(repository, [row.digest]);
    if (image === undefined) return undefined;
    const parts = await metadata.imagesOf(repository, [...(image.children ?? [])]);
    for (const each of [image, ...parts]) {
      const by = use.usedBy(usable(each));
      if (by !== undefined) return by;
    }
    return undefined;
  }

  #inUse(): Promise<InUse> {
    const now = this.#parts.now();
    if (this.#read !== undefined && now - this.#read.at < lifetime) return this.#read.inUse;
    const inUse = this.#load(now);
    this.#read = { at: now, inUse };
    inUse.catch(() => {
      this.#read = undefined;
    });
    return inUse;
  }

  async #load(now: Millis): Promise<InUse> {
    // Loaded with the first deletion that comes from elsewhere.
    const { InUse } = await import('../../../domain/retention/in-use.ts');
    const { reports } = await this.#parts.metadata.inventories();
    const { clusters, staleSeconds } = this.#parts.inUse();
    return new InUse(reports, { clusters, staleAfter: staleSeconds * 1000, now });
  }
}

function usable({ digest, tags, config, pulledHour }: ImageRow) {
  const known: { digest: Digest; tags: readonly string[]; config?: Digest; pulledAt?: number } = { digest, tags };
  return { ...known, ...(config && { config }), ...(pulledHour !== undefined && { pulledAt: pulledHour * hour }) };
}
