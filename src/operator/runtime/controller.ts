import type { Cached } from '../kube/cache.ts';
import type { Log } from '../kube/log.ts';
import type { KubeObject } from '../kube/object.ts';
import type { RuntimeMetrics } from './metrics.ts';

/** Which object to reconcile. `namespace` is '' for what is cluster-wide. */
export interface Request {
  namespace: string;
  name: string;
}

export interface ReconcileResult {
  /** Look again after this many seconds even if nothing changes. */
  requeueAfterSeconds?: number;
}

/**
 * Brings the world closer to what one object asks for; the state is read anew at each call. Throws Stalled, Waiting,
 * or any other error (see errors.ts). `signal` aborts when the controller stops.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a reconciler with nothing to say returns nothing
export type Reconcile = (request: Request, signal: AbortSignal) => Promise<ReconcileResult | void>;

/** Objects whose changes cause reconciles. Make one with `source(...)`, which keeps the object's type. */
export interface Source {
  cache: Cached;
  mapTo: (object: KubeObject) => Request[];
  /** Changes to leave out, for example those of the status only; default none. */
  when?: (object: KubeObject, previous: KubeObject | undefined) => boolean;
}

/** A source whose functions know the cache's type. */
export function source<T extends KubeObject>(of: {
  cache: Cached<T>;
  mapTo: (object: T) => Request[];
  when?: (object: T, previous: T | undefined) => boolean;
}): Source {
  // The cache only ever hands its own type to the functions beside it.
  return of as unknown as Source;
}

export interface ControllerOptions {
  name: string;
  reconcile: Reconcile;
  sources: Source[];
  /** How many different keys are reconciled at once; default 2. */
  concurrency?: number;
  log: Log;
  metrics: RuntimeMetrics;
}

export class Controller {
  constructor(_options: ControllerOptions) {}
  /** Starts the caches, waits until all are synced, then the workers. */
  async start(): Promise<void> {
    throw new Error('not yet');
  }
  /** Asks for a reconcile now. */
  enqueue(_request: Request): void {
    throw new Error('not yet');
  }
  /** Takes no more work, aborts the signal of what runs, and settles when it has ended. The caches go on. */
  async stop(): Promise<void> {
    throw new Error('not yet');
  }
}

/** The request that names the object itself, for the source of a controller's own kind. */
export function requestFor(object: KubeObject): Request[] {
  return [{ namespace: object.metadata.namespace ?? '', name: object.metadata.name }];
}

/** Maps a child to the controller owner of the given kind (by ownerReference). */
export function requestForOwner(kind: string, group: string): (object: KubeObject) => Request[] {
  return (object) =>
    (object.metadata.ownerReferences ?? [])
      .filter((owner) => owner.controller === true && owner.kind === kind && owner.apiVersion.startsWith(`${group}/`))
      .map((owner) => ({ namespace: object.metadata.namespace ?? '', name: owner.name }));
}

/** Maps a child to the owner that a label names, for children that are not owned (data that outlives its owner). */
export function requestForLabel(label: string): (object: KubeObject) => Request[] {
  return (object) => {
    const name = object.metadata.labels?.[label];
    return name === undefined ? [] : [{ namespace: object.metadata.namespace ?? '', name }];
  };
}
