import type { Cached } from '../kube/cache.ts';
import { isConflict } from '../kube/error.ts';
import type { Log } from '../kube/log.ts';
import { type KubeObject, keyOf } from '../kube/object.ts';
import { type Clock, systemClock } from './clock.ts';
import { Stalled } from './errors.ts';
import type { RuntimeMetrics } from './metrics.ts';
import { WorkQueue } from './workqueue.ts';

/** A date that has passed already must not make a loop without a pause. */

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
 * Brings the world closer to what one object asks for; the state is read anew at each call. Throws Stalled
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
  clock?: Clock;
}

/**
 * The loop: changes become keys, keys become reconciles. One key is never reconciled twice at once, events during a run
 * cause one more run, and a slow key blocks no other worker. It starts once and stops once.
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #queue: WorkQueue;
  readonly #stopping = new AbortController();
  readonly #unsubscribe: (() => void)[] = [];
  #workers: Promise<void>[] = [];

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#queue = new WorkQueue({ name: options.name, metrics: options.metrics, clock: this.#clock });
  }

  /** Starts the caches, waits until all are synced, then starts the workers. Rejects when stopped before. */
  async start(): Promise<void> {
    const { sources, name, metrics, concurrency = 2 } = this.#options;
    for (const { cache } of sources) cache.start();
    await Promise.race([Promise.all(sources.map(({ cache }) => cache.synced())), abortion(this.#stopping.signal)]);
    // Told of all that is known when subscribing, and of what changes from then on.
    for (const each of sources) this.#subscribe(each);
    metrics.maxWorkers.set({ controller: name }, concurrency);
    metrics.activeWorkers.set({ controller: name }, 0);
    this.#workers = Array.from({ length: concurrency }, () => this.#work());
  }

  /** Asks for a reconcile now. */
  enqueue(request: Request): void {
    this.#queue.add(keyOf(request.namespace, request.name));
  }

  /** Takes no more work, aborts the signal of what runs, and settles when it has ended. The caches go on. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the controller is stopping'));
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#queue.close();
    await Promise.all(this.#workers);
  }

  #subscribe({ cache, mapTo, when }: Source): void {
    const enqueueAll = (object: KubeObject): void => {
      for (const request of mapTo(object)) this.enqueue(request);
    };
    this.#unsubscribe.push(
      cache.on('change', (object, previous) => {
        if (when === undefined || when(object, previous)) enqueueAll(object);
        // A child that was moved to another owner concerns the one that it left.
        if (previous !== undefined) enqueueIfMoved(mapTo(previous), mapTo(object), (request) => this.enqueue(request));
      }),
      cache.on('delete', enqueueAll),
    );
  }

  async #work(): Promise<void> {
    for (let key = await this.#queue.take(); key !== undefined; key = await this.#queue.take()) {
      try {
        await this.#run(key);
      } finally {
        this.#queue.done(key);
      }
    }
  }

  async #run(key: string): Promise<void> {
    const { name, metrics, reconcile } = this.#options;
    const startedAt = this.#clock.monotonicMs();
    metrics.activeWorkers.inc({ controller: name });
    let result: string;
    try {
      result = this.#succeeded(key, await reconcile(requestOf(key), this.#stopping.signal));
    } catch (error) {
      result = this.#failed(key, error);
    }
    metrics.activeWorkers.dec({ controller: name });
    metrics.reconciles.inc({ controller: name, result });
    metrics.reconcileSeconds.observe({ controller: name }, (this.#clock.monotonicMs() - startedAt) / 1000);
  }

  // biome-ignore lint/suspicious/noConfusingVoidType: see Reconcile
  #succeeded(key: string, result: ReconcileResult | void): string {
    this.#queue.forget(key);
    const after = result?.requeueAfterSeconds;
    if (after === undefined) return 'success';
    this.#queue.addAfter(key, after * 1000);
    return 'requeue_after';
  }

  #failed(key: string, error: unknown): string {
    const { name, log, metrics } = this.#options;
    const fields = { controller: name, key };
    if (this.#stopping.signal.aborted) return 'requeue';
    if (error instanceof Stalled) {
      this.#queue.forget(key);
      log.warn({ ...fields, reason: error.reason }, error.message);
      metrics.reconcileErrors.inc({ controller: name });
      return 'error';
    }
    const retryInMs = Math.round(this.#queue.addFailed(key));
    if (isConflict(error)) {
      // We had not yet heard of the newest version: nothing is wrong.
      log.debug({ ...fields, retryInMs }, 'changed meanwhile, reading again');
      return 'requeue';
    }
    metrics.reconcileErrors.inc({ controller: name });
    log.error({ ...fields, err: error, retryInMs, failures: this.#queue.failures(key) }, 'reconcile failed');
    return 'error';
  }
}

function enqueueIfMoved(before: Request[], after: Request[], enqueue: (request: Request) => void): void {
  const now = new Set(after.map((request) => keyOf(request.namespace, request.name)));
  for (const request of before) if (!now.has(keyOf(request.namespace, request.name))) enqueue(request);
}

function requestOf(key: string): Request {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Rejects when the signal aborts. */
function abortion(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** The request that names the object itself, for the source of a controller's own kind. */
export function requestFor(object: KubeObject): Request[] {
  return [{ namespace: object.metadata.namespace ?? '', name: object.metadata.name }];
}

/** Maps a child to the owner that a label names: also one that is not owned in Kubernetes' sense (data that outlives its owner). */
export function requestForLabel(label: string): (object: KubeObject) => Request[] {
  return (object) => {
    const name = object.metadata.labels?.[label];
    return name === undefined ? [] : [{ namespace: object.metadata.namespace ?? '', name }];
  };
}
