/** A cluster of the simulation: what it runs, what it may run again, and what its operator says of that. */
import type { Digest } from '../../../../src/domain/oci/digest.ts';
import type { Inventory, UsedImage } from '../../../../src/domain/retention/inventory.ts';
import type { Registry, Stored } from './registry.ts';

export type Kind = 'Deployment' | 'CronJob' | 'StatefulSet';

/** What a workload asks for: a tag, or a digest. */
export interface Reference {
  readonly repository: string;
  readonly reference: string;
}

export interface Workload {
  readonly kind: Kind;
  readonly name: string;
  /** The template, and for a Deployment those of the ReplicaSets that are kept for a rollback; newest first. */
  templates: Reference[];
  /** What its pods run, if it has any. */
  pods: { repository: string; digest: Digest }[];
}

const keptTemplates: Record<Kind, number> = { Deployment: 3, CronJob: 1, StatefulSet: 1 };

/** Which digest the container runtime tells of a running image. */
export type Runtime = 'index' | 'manifest' | 'config';

export class Cluster {
  readonly name: string;
  readonly #runtime: Runtime;
  /** Under which name it knows the registry. */
  readonly #host: string;
  readonly workloads: Workload[] = [];
  operatorRuns = true;
  /** Whether it reaches the registry, for pulls and reports. */
  linked = true;
  /** Milliseconds that the clock of its operator is ahead. */
  skew = 0;
  /** What its last report that arrived named, and when that was made. */
  heard: { at: number; references: ReadonlySet<string>; digests: ReadonlySet<Digest> } | undefined;

  constructor(name: string, runtime: Runtime, host: string) {
    this.name = name;
    this.#runtime = runtime;
    this.#host = host;
  }

  get isAway(): boolean {
    return !this.operatorRuns || !this.linked;
  }

  /** A new template, if its image can be had. */
  rollOut(workload: Workload, wanted: Reference, { registry, now }: { registry: Registry; now: number }): void {
    if (!this.linked) return;
    const digest = registry.pull(wanted.repository, wanted.reference, now);
    if (digest === undefined) return;
    const others = workload.templates.filter((other) => !isSame(other, wanted));
    workload.templates = [wanted, ...others].slice(0, keptTemplates[workload.kind]);
    // One pod of the template before is still there, as it is for a while.
    workload.pods = [{ repository: wanted.repository, digest }, ...workload.pods.slice(0, 1)];
  }

  /** Pods of the template there is: pulled again where that is possible, and from the node's own copy otherwise. */
  start(workload: Workload, { registry, now }: { registry: Registry; now: number }): void {
    const [template] = workload.templates;
    if (template === undefined) return;
    const { repository, reference } = template;
    const pulled = this.linked ? registry.pull(repository, reference, now) : undefined;
    const ofNode = reference.startsWith('sha256:') ? (reference as Digest) : undefined;
    const digest = pulled ?? ofNode;
    if (digest !== undefined) workload.pods = [{ repository, digest }];
  }

  /**
   * Everything that is in use: what pods run; what templates name by digest; and what their tags stand for at the registry, as far
   * as it was told of them (a tag that it was not told of stands for what was pulled by it, and that runs).
   */
  *uses(registry: Registry): Iterable<{ repository: string; digest: Digest }> {
    for (const { templates, pods } of this.workloads) {
      yield* pods;
      for (const { repository, reference } of templates) {
        if (reference.startsWith('sha256:')) yield { repository, digest: reference as Digest };
        else if (this.heard?.references.has(`${repository}:${reference}`)) {
          const digest = registry.repositories.get(repository)?.tags.get(reference);
          if (digest !== undefined) yield { repository, digest };
        }
      }
    }
  }

  /** What its operator reports. */
  inventory(registry: Registry, now: number): Inventory {
    const images: UsedImage[] = [];
    for (const { kind, name, templates, pods } of this.workloads) {
      for (const template of templates)
        images.push({ image: this.#written(template), digests: [], by: [`${kind} default/${name}`] });
      for (const { repository, digest } of pods) {
        const told = this.#told(registry.repositories.get(repository)?.images.get(digest), digest);
        images.push({ image: `${this.#host}/${repository}@${told}`, digests: [told], by: [`Pod default/${name}-0`] });
      }
    }
    return { reportedAt: now + this.skew, images };
  }

  #written({ repository, reference }: Reference): string {
    const path = this.#host === 'docker.io' && repository.startsWith('library/') ? repository.slice(8) : repository;
    return `${this.#host}/${path}${reference.startsWith('sha256:') ? '@' : ':'}${reference}`;
  }

  #told(image: Stored | undefined, digest: Digest): Digest {
    if (image === undefined || this.#runtime === 'index') return digest;
    if (this.#runtime === 'manifest') return image.children[0] ?? digest;
    return image.config ?? image.children[0] ?? digest;
  }
}

function isSame(a: Reference, b: Reference): boolean {
  return a.repository === b.repository && a.reference === b.reference;
}
