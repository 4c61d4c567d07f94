/** A cluster of the simulation: what it runs, what it may run again, and what its operator says of that. */
import { type Digest, isDigest } from '../../../../src/domain/oci/digest.ts';
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
  pods: Pod[];
}

export interface Pod {
  readonly repository: string;
  readonly digest: Digest;
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
  /** What was in use as its newest report that arrived was made, and when that was. */
  heard: { at: number; digests: ReadonlySet<Digest> } | undefined;
  /** What the registry can know of: templates and pods that were pulled for, or were in a report that arrived. */
  readonly told = new WeakSet<Reference | Pod>();

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
    const pod = { repository: wanted.repository, digest };
    this.told.add(pod);
    this.#become(workload, { ...wanted }, pod);
    // Of a tag it knows what was pulled, and not that it was asked for by it.
    const [template] = workload.templates;
    if (template !== undefined && isDigest(template.reference)) this.told.add(template);
  }

  /** The same from the copy that a node still has, so that the registry does not see it. */
  runCopy(workload: Workload, { repository, digest }: Pod): void {
    this.#become(workload, { repository, reference: digest }, { repository, digest });
  }

  #become(workload: Workload, template: Reference, pod: Pod): void {
    const others = workload.templates.filter((other) => !isSame(other, template));
    workload.templates = [template, ...others].slice(0, keptTemplates[workload.kind]);
    // One pod of the template before is still there, as it is for a while.
    workload.pods = [pod, ...workload.pods.slice(0, 1)];
  }

  /** Pods of the template there is: pulled again where that is possible, and from the node's own copy otherwise. */
  start(workload: Workload, { registry, now }: { registry: Registry; now: number }): void {
    const [template] = workload.templates;
    if (template === undefined) return;
    const { repository, reference } = template;
    const pulled = this.linked ? registry.pull(repository, reference, now) : undefined;
    const ofNode = isDigest(reference) ? reference : undefined;
    const digest = pulled ?? ofNode;
    if (digest === undefined) return;
    const pod = { repository, digest };
    workload.pods = [pod];
    if (pulled !== undefined || this.told.has(template)) this.told.add(pod);
  }

  /** Everything in use that the registry can know of: what pods run, and what templates stand for there. */
  uses(registry: Registry): Pod[] {
    return this.workloads.flatMap(({ templates, pods }) => [
      ...pods.filter((pod) => this.told.has(pod)),
      ...templates
        .filter((template) => this.told.has(template))
        .flatMap((template) => resolved(template, registry) ?? []),
    ]);
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
    return `${this.#host}/${path}${isDigest(reference) ? '@' : ':'}${reference}`;
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

/** What a pull of it would give. */
function resolved({ repository, reference }: Reference, registry: Registry): Pod | undefined {
  if (isDigest(reference)) return { repository, digest: reference };
  const digest = registry.repositories.get(repository)?.tags.get(reference);
  return digest && { repository, digest };
}
