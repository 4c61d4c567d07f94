import { keptBounds, parseInventory } from './inventory.ts';
import type { Report } from './report.ts';
import { comparablePath, usedNames } from './used-names.ts';

const hourMillis = 3_600_000;

export interface InUseOptions {
  /** The clusters that have a say (`inUse.clusters`). Reports of others are passed over. */
  readonly clusters: readonly string[];
  /** Milliseconds without a report after which a cluster counts as away. */
  readonly staleAfter: number;
  /** By the clock of the registry, milliseconds since the epoch. */
  readonly now: number;
}

/** What is known of one listed cluster. */
export interface ClusterUse {
  readonly name: string;
  /** Absent where it has not reported yet. */
  readonly reportedAt?: number;
  readonly receivedAt?: number;
  readonly stale: boolean;
  /** How many images it named. */
  readonly images: number;
  /** What its report covers, where that is not the whole cluster. */
  readonly namespaces?: readonly string[];
}

/** An image, as far as it matters to who uses it. */
export interface Usable {
  readonly digest: string;
  readonly tags: readonly string[];
  readonly config?: string;
  /** Milliseconds since the epoch, of which the hour counts. */
  readonly pulledAt?: number;
}

/** What keeps images of one repository in use. */
export interface RepositoryUse {
  /** Who uses an image, for people; undefined where nobody does. */
  usedBy(image: Usable): string | undefined;
}

/** One user of a name in words, and how many more there are. */
interface Users {
  readonly first: string;
  more: number;
}

/**
 * What the clusters of a registry use, out of the last report of each. A name counts wherever it was pulled from: a digest in
 * every repository, a tag in the repository whose name is the path before it.
 */
export class InUse {
  /** The listed clusters, in the order of their names. */
  readonly clusters: readonly ClusterUse[];
  /** Listed, but not heard of yet: nothing may expire before they report. */
  readonly missing: readonly string[];
  readonly stale: readonly string[];
  /** What was pulled in this hour of the epoch or later stays, because some cluster may run it and did not report since. */
  readonly pulledSince?: number;
  readonly #since: string = '';
  readonly #digests = new Map<string, Users>();
  readonly #tags = new Map<string, Map<string, Users>>();

  /**
   * @param reports at most one of each cluster; each is dropped once it was read, so that they need not all be held
   * @throws InvalidInventory where a report cannot be read
   */
  constructor(reports: Iterable<Report>, { clusters, staleAfter, now }: InUseOptions) {
    const listed = new Set(clusters);
    const heard = new Map<string, ClusterUse>();
    for (const report of reports) {
      if (!listed.has(report.cluster)) continue;
      heard.set(report.cluster, this.#take(report, now - report.receivedAt > staleAfter));
    }
    this.clusters = [...listed].sort().map((name) => heard.get(name) ?? { name, stale: false, images: 0 });
    this.missing = this.clusters.filter(({ receivedAt }) => receivedAt === undefined).map(({ name }) => name);
    this.stale = this.clusters.filter(({ stale }) => stale).map(({ name }) => name);
    const [last] = [...heard.values()].sort((a, b) => (a.receivedAt ?? 0) - (b.receivedAt ?? 0));
    if (last?.receivedAt === undefined) return;
    // Rounded down, because pulls are noted by the hour; and one more, for a report that was long on its way.
    // A clock that was put back since must not make pulls of now look older than the report.
    this.pulledSince = Math.floor(Math.min(last.receivedAt, now) / hourMillis) - 1;
    this.#since = `pulled since about when cluster ${last.name} last reported (${new Date(last.receivedAt).toISOString()})`;
  }

  in(repository: string): RepositoryUse {
    const tags = this.#tags.get(comparablePath(repository));
    return { usedBy: (image) => this.#named(image, tags) ?? this.#pulled(image) };
  }

  #named({ digest, config, tags }: Usable, used: ReadonlyMap<string, Users> | undefined): string | undefined {
    const users = this.#digests.get(digest) ?? (config === undefined ? undefined : this.#digests.get(config));
    if (users !== undefined) return inWords(users);
    for (const tag of used === undefined ? [] : tags) {
      const byTag = used?.get(tag);
      if (byTag !== undefined) return `${inWords(byTag)}, by the tag ${tag}`;
    }
    return undefined;
  }

  #pulled({ pulledAt }: Usable): string | undefined {
    if (this.pulledSince === undefined || pulledAt === undefined) return undefined;
    return Math.floor(pulledAt / hourMillis) >= this.pulledSince ? this.#since : undefined;
  }

  #take(report: Report, stale: boolean): ClusterUse {
    const { images, namespaces } = parseInventory(report.document, keptBounds);
    const away = stale ? `, which last reported at ${new Date(report.receivedAt).toISOString()}` : '';
    for (const image of images) {
      const [by] = image.by;
      const first = `${by === undefined ? '' : `${by} in `}cluster ${report.cluster}${away}`;
      const { digests, path, tag } = usedNames(image);
      const users = Math.max(image.by.length, 1);
      for (const digest of new Set(digests)) note(this.#digests, digest, { first, users });
      if (path === undefined || tag === undefined) continue;
      const ofPath = this.#tags.get(path) ?? new Map<string, Users>();
      this.#tags.set(path, ofPath);
      note(ofPath, tag, { first, users });
    }
    const { cluster: name, reportedAt, receivedAt } = report;
    return { name, reportedAt, receivedAt, stale, images: images.length, ...(namespaces && { namespaces }) };
  }
}

function note(known: Map<string, Users>, name: string, { first, users }: { first: string; users: number }): void {
  const before = known.get(name);
  if (before === undefined) known.set(name, { first, more: users - 1 });
  else before.more += users;
}

function inWords({ first, more }: Users): string {
  return more === 0 ? first : `${first}, and ${more} more`;
}
