/** A history: what happens, in order, as small numbers that mean something wherever the world then is. */
import type { Digest } from '../../../../src/domain/oci/digest.ts';
import type { Inventory } from '../../../../src/domain/retention/inventory.ts';
import type { Policy } from '../../../../src/domain/retention/policy.ts';
import { readRules } from '../../../../src/domain/retention/read-rules.ts';
import { Cluster, type Kind, type Pod, type Reference, type Runtime } from './cluster.ts';
import { randomOf } from './random.ts';
import { type Doomed, hour, type Planned, Registry, type Repository } from './registry.ts';

export const actionNames = [
  'push',
  'push again',
  'move a tag',
  'roll out',
  'roll back',
  'run a copy',
  'scale to zero',
  'start pods',
  'remove',
  'report',
  'everybody reports',
  'late reports arrive',
  'go away',
  'come back',
  'kill an operator',
  'kill the registry',
  'plan',
  'expire a part',
  'expire the rest',
  'empty the trash',
  'pause',
  'wait',
] as const;
export type ActionName = (typeof actionNames)[number];

/** Numbers from which each action takes what it needs. */
export interface Action {
  readonly name: ActionName;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export interface Setting {
  readonly seed: number;
  readonly clusters: number;
  readonly actions: number;
  readonly durablePulls: boolean;
  /** Makes every image fair game, to see that the check finds that. */
  readonly blind?: boolean;
}

/** An image in use that was expired. */
export interface Violation {
  readonly step: number;
  readonly text: string;
}

/** Bytes, at the end of a history. */
export interface Outcome {
  readonly violation?: Violation;
  /** That the policy may expire, as the design says what may. */
  readonly mayGo: number;
  /** Of those, that went in the last evaluation. */
  readonly went: number;
  /** That nobody uses, and that no report and no pull keeps: what somebody who knows everything could expire. */
  readonly unused: number;
  readonly expired: number;
}

const weights: Record<ActionName, number> = {
  push: 12,
  'push again': 2,
  'move a tag': 4,
  'roll out': 16,
  'roll back': 5,
  'run a copy': 5,
  'scale to zero': 3,
  'start pods': 6,
  remove: 2,
  report: 8,
  'everybody reports': 3,
  'late reports arrive': 3,
  'go away': 2,
  'come back': 2,
  'kill an operator': 2,
  'kill the registry': 2,
  plan: 5,
  'expire a part': 4,
  'expire the rest': 4,
  'empty the trash': 1,
  pause: 4,
  wait: 6,
};

const deck = actionNames.flatMap((name) => new Array<ActionName>(weights[name]).fill(name));

export function actionsOf({ seed, actions }: Setting): Action[] {
  const random = randomOf(seed);
  return Array.from({ length: actions }, () => ({
    name: deck[random(deck.length)] ?? 'wait',
    a: random(1 << 16),
    b: random(1 << 16),
    c: random(1 << 16),
  }));
}

const kinds: readonly Kind[] = ['Deployment', 'Deployment', 'CronJob', 'StatefulSet'];
const runtimes: readonly Runtime[] = ['index', 'manifest', 'config'];
const hosts = ['registry.example.com', 'localhost:5000', 'docker.io'];
const names = ['shop/web', 'library/tool'];
const minute = 60_000;

const rulesOf = (...rules: { countType: string; countNumber: number; more?: object }[]) =>
  readRules(
    rules.map(({ countType, countNumber, more }, index) => ({
      rulePriority: index + 1,
      selection: {
        tagStatus: 'any',
        countType,
        countNumber,
        ...(countType === 'imageCountMoreThan' ? {} : { countUnit: 'days' }),
        ...more,
      },
      action: { type: 'expire' },
    })),
  );

const policies: readonly Policy[] = [
  { rules: rulesOf({ countType: 'imageCountMoreThan', countNumber: 2 }) },
  { rules: rulesOf({ countType: 'sinceImagePushed', countNumber: 1 }) },
  {
    rules: rulesOf(
      { countType: 'imageCountMoreThan', countNumber: 1, more: { tagStatus: 'tagged', tagPatternList: ['main*'] } },
      { countType: 'sinceImagePulled', countNumber: 2 },
    ),
  },
];

/** A report on its way. */
interface Snapshot {
  readonly cluster: Cluster;
  readonly inventory: Inventory;
  readonly made: number;
  /** Templates and pods. */
  readonly told: readonly (Reference | Pod)[];
  readonly digests: ReadonlySet<Digest>;
}

export class World {
  readonly registry: Registry;
  readonly clusters: Cluster[];
  readonly #blind: boolean;
  #now = Date.parse('2026-11-22T00:00:00Z');
  #pushes = 0;
  #late: Snapshot[] = [];
  #planned: Planned | undefined;
  #expired = 0;

  constructor({ seed, clusters, durablePulls, blind = false }: Setting) {
    this.#blind = blind;
    const list = Array.from({ length: clusters }, (_, index) => `cluster-${index}`);
    const policy = policies[seed % policies.length] ?? { rules: [] };
    this.registry = new Registry(names, { clusters: list, policy, durablePulls });
    this.clusters = list.map(
      (name, index) => new Cluster(name, runtimes[index % runtimes.length] ?? 'index', hosts[index % 3] ?? ''),
    );
    for (const [index, cluster] of this.clusters.entries()) cluster.skew = ((index % 11) - 5) * minute;
    for (let push = 0; push < 4; push++) this.#push(push, push, push);
    for (const [index, cluster] of this.clusters.entries()) this.#rollOut(cluster, index, index);
    // In some histories one was never heard of.
    const [first] = this.clusters;
    if (first !== undefined) first.operatorRuns = seed % 20 !== 0;
    for (const cluster of this.clusters) if (!cluster.isAway) this.#report(cluster);
  }

  /** @returns what went wrong */
  act({ name, a, b, c }: Action): string | undefined {
    this.#now += 1000 + (c % 240) * 1000;
    // Most happens in three clusters: what goes wrong takes several steps in one.
    const cluster = this.clusters[(a >> 2) % (a % 4 === 0 ? this.clusters.length : 3)] as Cluster;
    const workload = cluster.workloads[b % Math.max(1, cluster.workloads.length)];
    const client = { registry: this.registry, now: this.#now };
    const actions: Record<ActionName, () => unknown> = {
      push: () => this.#push(a, b, c),
      'push again': () => this.#pushAgain(a, b),
      'move a tag': () => this.#moveTag(a, b),
      'roll out': () => this.#rollOut(cluster, b, c),
      'roll back': () => {
        const before = workload?.templates[1 + (c % 2)];
        if (workload && before) cluster.rollOut(workload, before, client);
      },
      'run a copy': () => {
        const found = this.#image(a, b);
        if (workload && found) cluster.runCopy(workload, { repository: found.name, digest: found.digest });
      },
      'scale to zero': () => {
        if (workload) workload.pods = [];
      },
      'start pods': () => {
        if (workload) cluster.start(workload, client);
      },
      remove: () => cluster.workloads.splice(b % Math.max(1, cluster.workloads.length), 1),
      report: () => this.#reportOf(cluster, b),
      'everybody reports': () => this.#everybody(),
      'late reports arrive': () => this.#lateReports(b),
      'go away': () => this.#goAway(cluster, b),
      'come back': () => {
        for (const away of this.clusters.filter(({ isAway }) => isAway).slice(b % 2))
          away.operatorRuns = away.linked = true;
      },
      // Another replica leads from then on, on a node with another clock.
      'kill an operator': () => {
        cluster.skew = ((b % 601) - 300) * 1000;
        this.#late = this.#late.filter((late) => late.cluster !== cluster || c % 2 === 0);
      },
      'kill the registry': () => {
        this.registry.kill();
        this.#planned = undefined;
      },
      plan: () => {
        this.#planned = this.#plan();
      },
      'expire a part': () => this.#expire(a),
      'expire the rest': () => this.#expire(undefined),
      'empty the trash': () => this.registry.emptyTrash(this.#now),
      pause: () => {
        this.#now += (5 + (b % 40)) * minute;
      },
      wait: () => {
        this.#now += (b % 30) * hour + (c % 60) * minute;
        this.#everybody();
      },
    };
    const said = actions[name]();
    return typeof said === 'string' ? said : undefined;
  }

  /** A quiet end: whoever is there reports, and what may go, goes. */
  finish(): Outcome & { text?: string } {
    this.#now += 5 * minute;
    for (const cluster of this.clusters) if (!cluster.isAway) this.#report(cluster);
    this.#late = [];
    this.#now += minute;
    const mayGo = this.#bytes(this.#mayGo());
    const unused = this.#bytes(this.#unused());
    this.#planned = this.#plan();
    const before = this.#expired;
    const text = this.#expire(undefined);
    const went = this.#expired - before;
    return { mayGo, went, unused, expired: this.#expired, ...(text !== undefined && { text }) };
  }

  #repository(a: number): { name: string; repository: Repository } {
    const name = names[a % 5 === 0 ? 1 : 0] ?? '';
    return { name, repository: this.registry.repositories.get(name) as Repository };
  }

  #push(a: number, b: number, c: number): void {
    const { name } = this.#repository(a);
    const push = ++this.#pushes;
    const now = this.#now;
    const digest = (part: number) => `sha256:${(push * 8 + part).toString(16).padStart(64, '0')}` as Digest;
    const tag = b % 3 === 0 ? 'main' : b % 7 === 0 ? undefined : `${b % 2 ? 'main' : 'v1'}-${push}`;
    const children = b % 4 === 0 ? [digest(1), digest(2)] : [];
    for (const child of children)
      this.registry.push(name, { digest: child, children: [], size: 1 + (c % 50), config: digest(3) }, { now });
    const config = children.length > 0 ? {} : { config: digest(4) };
    this.registry.push(
      name,
      { digest: digest(0), children, size: 1 + (c % 50), ...config },
      { now, ...(tag && { tag }) },
    );
  }

  #image(a: number, b: number): { name: string; repository: Repository; digest: Digest } | undefined {
    const { name, repository } = this.#repository(a);
    const digests = [...repository.images.keys()];
    const digest = digests[b % Math.max(1, digests.length)];
    return digest && { name, repository, digest };
  }

  /** The same bytes again, with a tag of their own. */
  #pushAgain(a: number, b: number): void {
    const found = this.#image(a, b);
    const image = found?.repository.images.get(found.digest);
    if (found && image) this.registry.push(found.name, image, { tag: `again-${b % 5}`, now: this.#now });
  }

  #moveTag(a: number, b: number): void {
    const found = this.#image(a, b);
    if (found) found.repository.setTag(b % 2 === 0 ? 'main' : 'stable', found.digest);
  }

  #rollOut(cluster: Cluster, b: number, c: number): void {
    const found = this.#image(c, b);
    if (found === undefined) return;
    const [tag] = found.repository.images.get(found.digest)?.tags ?? [];
    const wanted: Reference = { repository: found.name, reference: (c % 3 === 0 ? undefined : tag) ?? found.digest };
    let workload = cluster.workloads[b % 2];
    if (workload === undefined) {
      const kind = kinds[c % kinds.length] ?? 'Deployment';
      workload = { kind, name: `app-${cluster.workloads.length}`, templates: [], pods: [] };
      if (cluster.linked) cluster.workloads.push(workload);
    }
    cluster.rollOut(workload, wanted, { registry: this.registry, now: this.#now });
  }

  #snapshot(cluster: Cluster): Snapshot {
    const told = cluster.workloads.flatMap(({ templates, pods }) => [...templates, ...pods]);
    const digests = new Set(cluster.uses(this.registry).map(({ digest }) => digest));
    return { cluster, inventory: cluster.inventory(this.registry, this.#now), made: this.#now, told, digests };
  }

  #report(cluster: Cluster): void {
    this.#arrive(this.#snapshot(cluster));
  }

  #arrive({ cluster, inventory, made, told, digests }: Snapshot): void {
    this.registry.report(cluster.name, inventory, this.#now);
    for (const one of told) cluster.told.add(one);
    if (cluster.heard === undefined || cluster.heard.at < made) cluster.heard = { at: made, digests };
  }

  /** One of ten is lost, one of ten late, and of one the answer is lost, so that it comes again. */
  #reportOf(cluster: Cluster, b: number): void {
    if (cluster.isAway) return;
    const report = this.#snapshot(cluster);
    if (b % 10 === 0) return;
    if (b % 10 === 1 || b % 10 === 2) this.#late.push(report);
    if (b % 10 !== 1) this.#arrive(report);
  }

  #everybody(): void {
    for (const [index, cluster] of this.clusters.entries())
      this.#reportOf(cluster, (this.#now / 1000 + index * 7) % 100);
  }

  /** In another order than they were sent. What was on its way for most of an hour is given up. */
  #lateReports(b: number): void {
    const late = this.#late.filter(({ made }) => this.#now - made < 50 * minute);
    this.#late = [];
    if (b % 2 === 0) late.reverse();
    for (const report of late) this.#arrive(report);
  }

  /** At most one in twenty. */
  #goAway(cluster: Cluster, b: number): void {
    const away = this.clusters.filter(({ isAway }) => isAway).length;
    if (away >= Math.max(1, this.clusters.length / 20)) return;
    if (b % 2 === 0) cluster.operatorRuns = false;
    else cluster.linked = false;
  }

  #plan(): Planned {
    if (!this.#blind) return this.registry.plan(this.#now);
    const { revision } = this.registry.plan(this.#now);
    const nobody = { usedBy: () => undefined };
    return { doomed: names.flatMap((name) => this.registry.expiring(name, nobody, this.#now)), revision };
  }

  #expire(part: number | undefined): string | undefined {
    if (this.#planned === undefined) return undefined;
    const { doomed, revision } = this.#planned;
    const batch = part === undefined ? doomed.splice(0) : doomed.splice(0, 1 + (part % 6));
    const neverHeard = this.clusters.some(({ heard }) => heard === undefined);
    const used = this.#used();
    const sizes = batch.map(({ repository, digest }) => this.#size(repository, digest));
    const gone = this.registry.expire(batch, revision, this.#now);
    if (gone === undefined) this.#planned = undefined;
    for (const image of gone ?? []) {
      if (neverHeard) return `${image.digest} expired, and a cluster was never heard of`;
      const user = used.get(`${image.repository}@${image.digest}`);
      if (user !== undefined) return `${image.repository}@${image.digest} expired, and is in use by ${user}`;
      this.#expired += sizes[batch.indexOf(image)] ?? 0;
    }
    return undefined;
  }

  #size(repository: string, digest: Digest): number {
    return this.registry.repositories.get(repository)?.images.get(digest)?.size ?? 0;
  }

  /** `repository@digest` of what is in use, with the child that a node runs of an index, and by which cluster. */
  #used(): Map<string, string> {
    const used = new Map<string, string>();
    for (const cluster of this.clusters)
      for (const { repository, digest } of cluster.uses(this.registry)) {
        used.set(`${repository}@${digest}`, cluster.name);
        const [platform] = this.registry.repositories.get(repository)?.images.get(digest)?.children ?? [];
        if (platform !== undefined) used.set(`${repository}@${platform}`, cluster.name);
      }
    return used;
  }

  #unused(): Doomed[] {
    const used = this.#used();
    return this.#expiring((name, digest) => used.has(`${name}@${digest}`));
  }

  /**
   * What the design lets go: nobody uses it, no cluster that is away used it when it was last heard of, and nobody pulled it since
   * then (in hours, as pulls are noted, and the hour before).
   */
  #mayGo(): Doomed[] {
    const used = this.#used();
    const last = Math.min(...this.clusters.map(({ heard }) => heard?.at ?? Number.NEGATIVE_INFINITY));
    if (last === Number.NEGATIVE_INFINITY) return [];
    const away = this.clusters.filter(({ isAway }) => isAway);
    return this.#expiring((name, digest) => {
      if (used.has(`${name}@${digest}`)) return true;
      const pulled = this.registry.repositories.get(name)?.images.get(digest)?.pulledHour ?? -1;
      return pulled >= Math.floor(last / hour) - 1 || away.some(({ heard }) => heard?.digests.has(digest) === true);
    });
  }

  #expiring(isKept: (name: string, digest: Digest) => boolean): Doomed[] {
    return names.flatMap((name) => {
      const usedBy = ({ digest }: { digest: string }) => (isKept(name, digest as Digest) ? 'somebody' : undefined);
      return this.registry.expiring(name, { usedBy }, this.#now);
    });
  }

  #bytes(images: readonly Doomed[]): number {
    return images.reduce((sum, { repository, digest }) => sum + this.#size(repository, digest), 0);
  }
}

/** Plays a history to its end, or to the first violation. */
export function play(setting: Setting, actions: readonly Action[]): Outcome {
  const world = new World(setting);
  for (const [step, action] of actions.entries()) {
    const text = world.act(action);
    if (text !== undefined) return { violation: { step, text }, mayGo: 0, went: 0, unused: 0, expired: 0 };
  }
  const { text, ...outcome } = world.finish();
  return text === undefined ? outcome : { ...outcome, violation: { step: actions.length, text } };
}

/** The shortest part of a history that still goes wrong: actions are left out, in ever smaller pieces, while it does. */
export function shrink(setting: Setting, actions: readonly Action[]): Action[] {
  let shortest = [...actions];
  for (let piece = Math.ceil(shortest.length / 2); piece >= 1; piece = Math.floor(piece / 2))
    for (let from = 0; from < shortest.length; ) {
      const shorter = [...shortest.slice(0, from), ...shortest.slice(from + piece)];
      if (play(setting, shorter).violation !== undefined) shortest = shorter;
      else from += piece;
    }
  return shortest;
}

export function inWords(actions: readonly Action[]): string {
  return actions.map(({ name, a, b, c }, step) => `${step}: ${name} (${a}, ${b}, ${c})`).join('\n');
}
