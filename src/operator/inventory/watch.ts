/** Follows everything in the cluster that uses images, and knows at any time what that is, or that it does not know. */
import { inventoryBounds, inventoryVersion } from '../../domain/retention/inventory.ts';
import { messageOf } from '../../platform/fatal.ts';
import { Cache } from '../kube/cache.ts';
import type { ListWatch } from '../kube/client.ts';
import type { Log } from '../kube/log.ts';
import type { KindRef } from '../kube/object.ts';
import { imagesOf } from './images.ts';
import { slim, type User, type Where } from './use.ts';

/** Kinds that are followed. Revisions hold what a StatefulSet or DaemonSet may be rolled back to, as ReplicaSets do. */
const kinds: readonly (KindRef & { readonly where: Where })[] = [
  { apiVersion: 'v1', kind: 'Pod', where: 'pod' },
  { apiVersion: 'apps/v1', kind: 'ReplicaSet', where: 'template' },
  { apiVersion: 'apps/v1', kind: 'Deployment', where: 'template' },
  { apiVersion: 'apps/v1', kind: 'StatefulSet', where: 'template' },
  { apiVersion: 'apps/v1', kind: 'DaemonSet', where: 'template' },
  { apiVersion: 'apps/v1', kind: 'ControllerRevision', where: 'revision' },
  { apiVersion: 'batch/v1', kind: 'Job', where: 'template' },
  { apiVersion: 'batch/v1', kind: 'CronJob', where: 'jobTemplate' },
];

/** After a change more of them are waited for, and longer where gathering takes its time. */
const gatherAfterMs = 500;
const shareOfTime = 10;
const gatherWithinMs = 5_000;

/** What is used, as of a moment. */
export interface Snapshot {
  /** Grows when what is used changes. */
  readonly revision: number;
  /** How many images. */
  readonly images: number;
  /** The report about it, made at `reportedAt`. */
  body(reportedAt: Date): string;
}

export interface InventoryOptions {
  readonly client: ListWatch;
  /** Empty: the whole cluster. */
  readonly namespaces: readonly string[];
  readonly log: Log;
  /** A kind that could not be followed for longer makes what is known too old to report; a minute by default. */
  readonly longestBehindMs?: number;
}

/** It starts once and stops once. */
export class Inventory {
  readonly #options: InventoryOptions;
  readonly #caches: readonly Cache<User>[];
  readonly #texts = new Map<string, string>();
  #synced = false;
  #stale = true;
  #timer: NodeJS.Timeout | undefined;
  #gatheringMs = 0;
  #images = '';
  #revision = 0;
  #snapshot: Snapshot | undefined;
  #fault: string | undefined;
  #started = false;

  constructor(options: InventoryOptions) {
    this.#options = options;
    const { client, namespaces, log } = options;
    const intern = (text: string) => this.#intern(text);
    this.#caches = kinds.map(
      ({ apiVersion, kind, where }) =>
        new Cache<User>(client, {
          apiVersion,
          kind,
          log,
          ...(namespaces.length === 0 ? {} : { namespaces }),
          keep: (object) => slim(object, where, intern),
        }),
    );
  }

  /** Begins to follow; more calls change nothing. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const cache of this.#caches) {
      cache.on('change', (user, previous) => {
        if (!isSame(user, previous)) this.#changed();
      });
      cache.on('delete', () => this.#changed());
      cache.start();
    }
    Promise.all(this.#caches.map((cache) => cache.synced())).then(
      () => {
        this.#synced = true;
        this.#gather();
      },
      () => undefined,
    );
  }

  /**
   * What is used now; or why nobody can say, because some kind was not read yet or has not been heard of for long. A report
   * that leaves out what could not be read would let go what runs.
   */
  current(): Snapshot | { readonly unknown: string } {
    if (!this.#synced) return { unknown: 'not all workloads were read yet' };
    const { longestBehindMs = 60_000 } = this.#options;
    const behind = this.#caches.findIndex((cache) => cache.behindMs() > longestBehindMs);
    if (behind >= 0)
      return {
        unknown: `the API server has not let ${kinds[behind]?.kind} objects be followed for ${longestBehindMs / 1000} s`,
      };
    return this.#snapshot ?? { unknown: this.#fault ?? 'nothing was gathered yet' };
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#synced = false;
    this.#snapshot = undefined;
    if (this.#started) await Promise.all(this.#caches.map((cache) => cache.stop()));
  }

  #changed(): void {
    this.#stale = true;
    if (!this.#synced || this.#timer !== undefined) return;
    const wait = Math.min(Math.max(gatherAfterMs, this.#gatheringMs * shareOfTime), gatherWithinMs);
    this.#timer = setTimeout(() => this.#gather(), wait);
  }

  #gather(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#stale || !this.#synced) return;
    this.#stale = false;
    const startedAt = performance.now();
    try {
      this.#settle(this.#caches.flatMap((cache) => cache.list()));
    } catch (error) {
      this.#snapshot = undefined;
      this.#fault = messageOf(error);
      this.#options.log.error({ err: error }, 'what runs in the cluster cannot be reported');
    }
    this.#gatheringMs = performance.now() - startedAt;
  }

  #settle(users: readonly User[]): void {
    const found = imagesOf(users);
    const images = JSON.stringify(found);
    if (images.length > inventoryBounds.bytes - 65_536) throw new Error('the report is longer than registries take');
    // Texts that nobody uses any more are let go of in one go; those in use come back as objects change.
    if (this.#texts.size > 4 * (users.length + found.length) + 10_000) this.#texts.clear();
    if (this.#snapshot !== undefined && images === this.#images) return;
    this.#images = images;
    const { namespaces } = this.#options;
    const covers = namespaces.length === 0 ? '' : `"namespaces":${JSON.stringify(namespaces)},`;
    this.#snapshot = {
      revision: ++this.#revision,
      images: found.length,
      body: (reportedAt) =>
        `{"apiVersion":"${inventoryVersion}","reportedAt":"${reportedAt.toISOString()}",${covers}"images":${images}}`,
    };
  }

  #intern(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#texts.set(text, text);
    return text;
  }
}

/** Pods are written all the time; what they use changes seldom. */
function isSame(user: User, previous: User | undefined): boolean {
  return (
    previous !== undefined &&
    user.owner?.name === previous.owner?.name &&
    JSON.stringify(user.uses) === JSON.stringify(previous.uses)
  );
}
