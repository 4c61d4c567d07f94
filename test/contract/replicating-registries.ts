/** Registries that tell each other of their tags: what the test of convergence lets happen. */
import fc from 'fast-check';
import type { TagRecord } from '../../src/registry/metadata/replicating.ts';
import type { ChangeRow, MetadataStore } from '../../src/registry/metadata/store.ts';
import { by, digest, manifest } from './fixtures.ts';

const TAGS = ['x', 'y'];
const at = fc.nat(1);
const tag = fc.constantFrom(...TAGS);
const of = fc.integer({ min: 1, max: 3 });

export const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('set' as const), at, tag, of }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), at, tag }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete-image' as const), at, of }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A tag as it was right after a change, with the origin spelt out. */
export type Message = TagRecord & { readonly origin: string };

export class Registry {
  #store: MetadataStore;
  #repository: string;
  #identity: string;

  static async of(store: MetadataStore, repository: string): Promise<Registry> {
    return new Registry(store, repository, await store.identity());
  }

  private constructor(store: MetadataStore, repository: string, identity: string) {
    this.#store = store;
    this.#repository = repository;
    this.#identity = identity;
  }

  /** Changes something here. @returns what is to be told of it */
  async act(step: Exclude<Step, { do: 'deliver' }>): Promise<Message[]> {
    const [store, repository] = [this.#store, this.#repository];
    const before = new Map((await this.records()).map((record) => [record.tag, JSON.stringify(record)]));
    if (step.do === 'set')
      await store.putManifest(manifest({ repository, digest: digest(step.of), tags: [step.tag], by: by(1) }));
    else if (step.do === 'delete') await store.deleteTag(repository, step.tag, by(1));
    else await store.deleteManifest(repository, digest(step.of), by(1));
    return (await this.records()).filter((record) => before.get(record.tag) !== JSON.stringify(record));
  }

  /** Hears of a state of the other registry. @returns what came of it */
  async receive({ tag, digest: of, version, origin, deleted }: Message): Promise<string> {
    const [store, repository, replicated] = [this.#store, this.#repository, { version, origin }];
    if (deleted !== undefined)
      return store.deleteReplicatedTag({ repository, tag, replicated, digest: of, by: by(2, origin) });
    const put = manifest({ repository, digest: of, tags: [tag], by: by(2, origin), replicated });
    return (await store.putManifest(put)).outcome;
  }

  async records(): Promise<Message[]> {
    const records = await this.#store.tagRecords(this.#repository, { limit: 100 });
    return records.map((record) => ({ ...record, origin: record.origin ?? this.#identity }));
  }

  /** Everything that the feed tells of the repository. */
  async news(): Promise<ChangeRow[]> {
    const rows: ChangeRow[] = [];
    for (let page = await this.#store.changes(0, 1000); page.length > 0; ) {
      rows.push(...page.filter(({ repository }) => repository === this.#repository));
      page = await this.#store.changes(page.at(-1)?.sequence ?? 0, 1000);
    }
    return rows;
  }
}

/**
 * Lets it all happen. What is told of a change arrives some time, before or after anything else, and once.
 * @param choose which message arrives next: any number
 */
export async function live(
  registries: readonly Registry[],
  steps: readonly Step[],
  choose: () => number,
): Promise<void> {
  const under: { to: Registry; message: Message }[] = [];
  const deliver = async () => {
    const [next] = under.splice(choose() % under.length, 1);
    await next?.to.receive(next.message);
  };
  for (const what of steps) {
    if (what.do === 'deliver' && under.length > 0) await deliver();
    if (what.do === 'deliver') continue;
    const messages = (await registries[what.at]?.act(what)) ?? [];
    const others = registries.filter((_, index) => index !== what.at);
    under.push(...others.flatMap((to) => messages.map((message) => ({ to, message }))));
  }
  while (under.length > 0) await deliver();
}

/** What has to be equal on all. What a tombstone's tag pointed at may differ: each remembers what it had. */
export async function settled(registry: Registry): Promise<unknown[]> {
  const records = await registry.records();
  return records.map(({ tag, digest: of, version, origin, deleted }) =>
    deleted === undefined ? [tag, of, version, origin] : [tag, deleted, version, origin],
  );
}

/** Tells each all of the others. @returns what came of it that should not */
export async function exchange(registries: readonly Registry[]): Promise<string[]> {
  const done: string[] = [];
  for (const to of registries)
    for (const from of registries) for (const record of await from.records()) done.push(await to.receive(record));
  return done.filter((outcome) => outcome !== 'stored' && outcome !== 'unchanged');
}
