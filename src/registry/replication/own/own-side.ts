import { TransferError } from '../../../transfer/errors.ts';
import type { TagRecord } from '../../metadata/replicating.ts';
import { requireReach } from '../../version-headers.ts';
import type { ListedTag, Listing, Side, SideImage, TagDeletion } from '../side.ts';
import { ownFault } from './faults.ts';
import { OwnImage } from './own-image.ts';
import type { Pins } from './pins.ts';
import { type OwnReferrers, referrersOf } from './referrers.ts';
import type { OwnStores } from './write-blob.ts';

export interface OwnSideOptions {
  readonly stores: OwnStores;
  readonly by: string;
  readonly sparse: boolean;
  /** There is no other target that takes from the same stream. */
  readonly ownsChunks: boolean;
  readonly referrers: OwnReferrers;
  /** What refers to each image matters. */
  readonly signatures: boolean;
  readonly pins: Pins;
  /** Identity of the registry at the other end, where it has one. */
  origin(): string | undefined;
}

const page = 1000;

/** This very registry as one end of a rule: its own stores, with no network in between. */
export class OwnSide implements Side {
  readonly own = true;
  readonly name = 'this registry';
  readonly #options: OwnSideOptions;
  #identity: string | undefined;

  constructor(options: OwnSideOptions) {
    this.#options = options;
  }

  get identity(): string | undefined {
    return this.#identity;
  }

  async *repositories(signal: AbortSignal): AsyncGenerator<string> {
    for (let last: string | undefined; ; ) {
      const names = await this.#read(signal, () =>
        this.#metadata.repositories({ limit: page, ...(last !== undefined && { last }) }),
      );
      yield* names;
      last = names.at(-1);
      if (names.length < page) return;
    }
  }

  async list(repository: string, signal: AbortSignal): Promise<Listing> {
    const tags = new Map<string, ListedTag>();
    for (let last: string | undefined; ; ) {
      const records = await this.#read(signal, () =>
        this.#metadata.tagRecords(repository, { limit: page, ...(last !== undefined && { last }) }),
      );
      for (const listed of await this.#listed(repository, records, signal)) tags.set(listed.tag, listed);
      last = records.at(-1)?.tag;
      if (records.length < page) return { tags, identity: await this.#who(signal), whole: true };
    }
  }

  async look(repository: string, names: readonly string[], signal: AbortSignal): Promise<Listing> {
    const records: TagRecord[] = [];
    for (const tag of names) {
      const record = await this.#read(signal, () => this.#metadata.tagRecord(repository, tag));
      if (record !== undefined) records.push(record);
    }
    const listed = await this.#listed(repository, records, signal);
    const tags = new Map(listed.map((tag) => [tag.tag, tag]));
    return { tags, identity: await this.#who(signal), whole: false };
  }

  image(repository: string): SideImage {
    const { origin, ...options } = this.#options;
    return new OwnImage({ ...options, repository, origin: origin() });
  }

  async deleteTag({ repository, tag, version, digest }: TagDeletion, signal: AbortSignal): Promise<boolean> {
    const { stores, by: name, origin, pins } = this.#options;
    const from = origin();
    const by = { name, now: stores.now(), ...(from !== undefined && { origin: from }) };
    const held = await this.#read(signal, () => pins.holding(repository, tag));
    if (held !== undefined)
      throw new TransferError('Denied', `${repository}:${tag} is not deleted: it is used by ${held}`).on('target');
    return await this.#read(signal, async () => {
      if (version === undefined) return await this.#metadata.deleteTag(repository, tag, by);
      await requireReach(this.#metadata, repository, [tag], version);
      const result = await this.#metadata.deleteReplicatedTag({ repository, tag, replicated: version, digest, by });
      return result === 'deleted';
    });
  }

  get #metadata() {
    return this.#options.stores.metadata;
  }

  async #who(signal: AbortSignal): Promise<string> {
    this.#identity ??= await this.#read(signal, () => this.#metadata.identity());
    return this.#identity;
  }

  async #listed(repository: string, records: readonly TagRecord[], signal: AbortSignal): Promise<ListedTag[]> {
    const { signatures, referrers: known } = this.#options;
    const self = await this.#who(signal);
    const images = signatures ? records.filter(({ deleted }) => deleted === undefined) : [];
    const hashes = await this.#read(signal, () => referrersOf(this.#metadata, known, { repository, images }));
    return records.map((record) => {
      const referrers = record.deleted === undefined ? hashes.get(record.digest) : undefined;
      return { ...record, origin: record.origin ?? self, ...(referrers !== undefined && { referrers }) };
    });
  }

  async #read<T>(signal: AbortSignal, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw ownFault(error, signal);
    }
  }
}
