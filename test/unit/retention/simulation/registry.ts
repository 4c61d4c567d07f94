/** A registry in memory that keeps the promises of `Retaining`; what it decides by is the code under test. */
import type { Digest } from '../../../../src/domain/oci/digest.ts';
import type { Image } from '../../../../src/domain/retention/image.ts';
import { InUse, type RepositoryUse } from '../../../../src/domain/retention/in-use.ts';
import type { Inventory } from '../../../../src/domain/retention/inventory.ts';
import { planTable } from '../../../../src/domain/retention/plan.ts';
import type { Policy } from '../../../../src/domain/retention/policy.ts';
import { type Report, receiveReport } from '../../../../src/domain/retention/report.ts';
import { ImageTable } from '../../../../src/domain/retention/table.ts';
import { readName } from '../../../../src/domain/retention/used-names.ts';

export const hour = 3_600_000;
const trashWindow = 24 * hour;
const staleAfter = 900_000;
const pullFlush = 30_000;

export interface Stored {
  readonly digest: Digest;
  readonly tags: Set<string>;
  readonly pushedAt: number;
  pulledHour?: number;
  readonly size: number;
  readonly children: readonly Digest[];
  readonly config?: Digest;
}

interface Trashed {
  readonly image: Stored;
  readonly tags: readonly string[];
  readonly until: number;
}

/** What is to go, as it was seen. */
export interface Doomed {
  readonly repository: string;
  readonly digest: Digest;
  readonly tags: readonly string[];
  readonly pulledHour: number | undefined;
}

export interface Planned {
  readonly doomed: Doomed[];
  readonly revision: number;
}

export class Repository {
  readonly images = new Map<Digest, Stored>();
  readonly tags = new Map<string, Digest>();
  readonly trash = new Map<Digest, Trashed>();

  setTag(tag: string, digest: Digest): void {
    const before = this.tags.get(tag);
    if (before !== undefined) this.images.get(before)?.tags.delete(tag);
    this.tags.set(tag, digest);
    this.images.get(digest)?.tags.add(tag);
  }
}

export class Registry {
  readonly repositories: ReadonlyMap<string, Repository>;
  readonly policy: Policy;
  readonly #clusters: readonly string[];
  /** Whether a pull is written before it is answered; otherwise half a minute later, as it once was. */
  readonly #durablePulls: boolean;
  readonly #reports = new Map<string, Report>();
  #revision = 0;
  #pending: { image: Stored; hour: number; at: number }[] = [];

  constructor(
    repositories: readonly string[],
    { clusters, policy, durablePulls }: { clusters: readonly string[]; policy: Policy; durablePulls: boolean },
  ) {
    this.repositories = new Map(repositories.map((name) => [name, new Repository()]));
    this.#clusters = clusters;
    this.policy = policy;
    this.#durablePulls = durablePulls;
  }

  /** Kill -9: what was not written is gone. */
  kill(): void {
    this.#pending = [];
  }

  push(name: string, image: Omit<Stored, 'tags' | 'pushedAt'>, { tag, now }: { tag?: string; now: number }): void {
    const repository = this.repositories.get(name);
    if (repository === undefined) return;
    const isNew = !repository.images.has(image.digest);
    repository.trash.delete(image.digest);
    if (isNew) repository.images.set(image.digest, { ...image, tags: new Set(), pushedAt: now });
    if (tag !== undefined) repository.setTag(tag, image.digest);
  }

  /** What a client gets for a tag or a digest: the image, and of an index the child of its platform, which it pulls too. */
  pull(name: string, reference: string, now: number): Digest | undefined {
    const repository = this.repositories.get(name);
    const digest = repository?.tags.get(reference) ?? (reference as Digest);
    const image = repository?.images.get(digest);
    if (image === undefined) return undefined;
    const [platform] = image.children;
    for (const one of [image, platform === undefined ? undefined : repository?.images.get(platform)])
      if (one !== undefined) this.#pending.push({ image: one, hour: Math.floor(now / hour), at: now });
    this.#flush(this.#durablePulls ? now : now - pullFlush);
    return digest;
  }

  /** Writes the pulls that were noted until then. */
  #flush(until: number): void {
    for (const { image, hour: pulled } of this.#pending.filter(({ at }) => at <= until))
      if ((image.pulledHour ?? -1) < pulled) image.pulledHour = pulled;
    this.#pending = this.#pending.filter(({ at }) => at > until);
  }

  report(cluster: string, inventory: Inventory, now: number): void {
    const before = this.#reports.get(cluster);
    const report = receiveReport(before, { cluster, receivedAt: now, inventory });
    const known = new Set(before?.names);
    const fresh = report.names.filter((name) => !known.has(name));
    if (fresh.length > 0) this.#revision++;
    this.#reports.set(cluster, report);
    for (const name of fresh) this.#restoreNamed(name);
  }

  #restoreNamed(name: string): void {
    const read = readName(name);
    for (const [path, repository] of this.repositories) {
      for (const [digest, { image, tags }] of repository.trash) {
        const wanted =
          'digest' in read
            ? digest === read.digest || image.config === read.digest || image.children.includes(read.digest)
            : read.repositories.includes(path) && tags.includes(read.tag) && !repository.tags.has(read.tag);
        if (wanted) restore(repository, digest);
      }
    }
  }

  inUse(now: number): InUse {
    return new InUse(this.#reports.values(), { clusters: this.#clusters, staleAfter, now });
  }

  /** What the policy expires now; nothing where a cluster was not heard of yet. */
  plan(now: number): Planned {
    this.#flush(now);
    const inUse = this.inUse(now);
    const planned: Planned = { doomed: [], revision: this.#revision };
    if (inUse.missing.length > 0) return planned;
    for (const name of this.repositories.keys()) planned.doomed.push(...this.expiring(name, inUse.in(name), now));
    return planned;
  }

  expiring(name: string, use: RepositoryUse, now: number): Doomed[] {
    const images = [...(this.repositories.get(name)?.images.values() ?? [])];
    const table = new ImageTable({ use });
    for (const image of images) table.add(asImage(image));
    const plan = planTable(table, { policy: this.policy, now });
    return images.flatMap(({ digest, tags, pulledHour }, position) =>
      plan.expires(position) ? [{ repository: name, digest, tags: [...tags], pulledHour }] : [],
    );
  }

  /** `Retaining.expire`. @returns what went; undefined where a cluster named something new meanwhile */
  expire(batch: readonly Doomed[], revision: number, now: number): Doomed[] | undefined {
    this.#flush(now);
    if (revision !== this.#revision) return undefined;
    const gone: Doomed[] = [];
    for (const [name, repository] of this.repositories) {
      const going = goingOf(
        repository,
        batch.filter((doomed) => doomed.repository === name),
      );
      for (const image of going.keys()) discard(repository, image, now + trashWindow);
      gone.push(...going.values());
    }
    return gone;
  }

  emptyTrash(now: number): void {
    for (const { trash } of this.repositories.values())
      for (const [digest, { until }] of trash) if (until < now) trash.delete(digest);
  }
}

/** Those that go: what is not as it was seen stays, with the index that holds it; and what stays keeps its children. */
function goingOf({ images }: Repository, batch: readonly Doomed[]): Map<Stored, Doomed> {
  const going = new Map<Stored, Doomed>();
  const wanted = new Set<Digest>();
  for (const doomed of batch) {
    const image = images.get(doomed.digest);
    if (image === undefined) continue;
    if (isAsSeen(image, doomed)) going.set(image, doomed);
    else wanted.add(image.digest);
  }
  const parents = [...images.values()].filter(({ children }) => children.length > 0);
  const stays = (image: Stored) => {
    if (image.children.some((child) => wanted.has(child))) wanted.add(image.digest);
    const isHeld = parents.some((parent) => !going.has(parent) && parent.children.includes(image.digest));
    return isHeld || wanted.has(image.digest);
  };
  for (let before = -1; before !== going.size; ) {
    before = going.size;
    for (const image of going.keys()) if (stays(image)) going.delete(image);
  }
  return going;
}

function isAsSeen(image: Stored, seen: Doomed): boolean {
  if (image.pulledHour !== seen.pulledHour || image.tags.size !== seen.tags.length) return false;
  return seen.tags.every((tag) => image.tags.has(tag));
}

function discard(repository: Repository, image: Stored, until: number): void {
  repository.images.delete(image.digest);
  repository.trash.set(image.digest, { image, tags: [...image.tags], until });
  for (const tag of image.tags) repository.tags.delete(tag);
  image.tags.clear();
}

function restore(repository: Repository, digest: Digest): void {
  const trashed = repository.trash.get(digest);
  if (trashed === undefined) return;
  repository.trash.delete(digest);
  repository.images.set(digest, trashed.image);
  for (const tag of trashed.tags) if (!repository.tags.has(tag)) repository.setTag(tag, digest);
  for (const child of trashed.image.children) restore(repository, child);
}

function asImage({ digest, tags, pushedAt, pulledHour, size, children, config }: Stored): Image {
  return {
    digest,
    tags: [...tags],
    pushedAt,
    size,
    ...(pulledHour !== undefined && { pulledAt: pulledHour * hour + hour - 1 }),
    ...(children.length > 0 && { children }),
    ...(config !== undefined && { config }),
  };
}
