import type { ListWatch } from './client.ts';
import { FIELD_MANAGER } from './client.ts';
import { follow } from './follow.ts';
import type { Log } from './log.ts';
import { describeRef, type KindRef, type KubeObject, keyOf, refOf } from './object.ts';

export interface CacheOptions<T extends KubeObject = KubeObject> extends KindRef {
  log: Log;
  /** Absent: cluster-wide. */
  namespaces?: readonly string[];
  labelSelector?: string;
  /** Seconds between full lists that catch whatever a watch may have missed; default 600, jittered. */
  relistSeconds?: number;
  /** What to keep of an object, for example a Node without its images; the whole by default. */
  keep?: (object: T) => T;
}

/** Called with the object now known and the one known before. */
export type ChangeHandler<T extends KubeObject> = (object: T, previous: T | undefined) => void;
export type DeleteHandler<T extends KubeObject> = (object: T) => void;

/** A local copy of all objects of a kind. Objects are shared: never change one. */
export interface Cached<T extends KubeObject = KubeObject> {
  get(namespace: string | undefined, name: string): T | undefined;
  list(namespace?: string): T[];
  /**
   * Handlers run in order of the changes; one that throws is logged, and the others still run. A new change handler is
   * told at once of what is known already. Gives a way to unsubscribe.
   */
  on(event: 'change', handler: ChangeHandler<T>): () => void;
  on(event: 'delete', handler: DeleteHandler<T>): () => void;
  /** Starts following; once is enough. */
  start(): void;
  /** Settles when the first full list is in; rejects when stopped before. */
  synced(): Promise<void>;
  /** Stops following; settles when nothing runs any more. */
  stop(): Promise<void>;
  /** Milliseconds for which the API server has not let it follow some part of what it follows; 0 while it does. */
  behindMs(): number;
}

/**
 * A list-watch cache: paged list, bookmarks, relist when the server has forgotten our version and at times anyway,
 * reconnects with jittered back-off for ever.
 */
export class Cache<T extends KubeObject = KubeObject> implements Cached<T> {
  readonly #client: ListWatch;
  readonly #options: CacheOptions<T>;
  readonly #objects = new Map<string, T>();
  readonly #changed = new Set<ChangeHandler<T>>();
  readonly #deleted = new Set<DeleteHandler<T>>();
  readonly #stopping = new AbortController();
  /** By namespace, since when there is trouble; `performance.now`. */
  readonly #troubledSince = new Map<string | undefined, number>();
  readonly #firstList = Promise.withResolvers<void>();
  #running: Promise<unknown> | undefined;

  constructor(client: ListWatch, options: CacheOptions<T>) {
    this.#client = client;
    this.#options = options;
    // Whoever waits hears of it; nobody has to.
    this.#firstList.promise.catch(() => undefined);
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#objects.get(keyOf(namespace, name));
  }

  list(namespace?: string): T[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  on(event: 'change', handler: ChangeHandler<T>): () => void;
  on(event: 'delete', handler: DeleteHandler<T>): () => void;
  on(event: 'change' | 'delete', handler: ChangeHandler<T>): () => void {
    if (event === 'delete') {
      const deleted: DeleteHandler<T> = (object) => handler(object, undefined);
      this.#deleted.add(deleted);
      return () => this.#deleted.delete(deleted);
    }
    this.#changed.add(handler);
    for (const object of this.#objects.values()) this.#tell(() => handler(object, undefined), object);
    return () => this.#changed.delete(handler);
  }

  start(): void {
    if (this.#running !== undefined) return;
    const { namespaces = [undefined], log, relistSeconds = 600 } = this.#options;
    const firstLists: Promise<void>[] = [];
    const loops = namespaces.map((namespace) => {
      const listed = Promise.withResolvers<void>();
      firstLists.push(listed.promise);
      return follow<T>(
        this.#client,
        { kind: this.#kind(), namespace, labelSelector: this.#options.labelSelector, relistSeconds, log },
        {
          put: (object) => this.#put(object),
          remove: (object) => this.#remove(object),
          listed: (seen) => {
            this.#removeAllBut(seen, namespace);
            listed.resolve();
          },
          heard: () => this.#troubledSince.delete(namespace),
          failed: () => {
            if (!this.#troubledSince.has(namespace)) this.#troubledSince.set(namespace, performance.now());
          },
        },
        this.#stopping.signal,
      );
    });
    this.#running = Promise.all(loops);
    void Promise.all(firstLists).then(() => this.#firstList.resolve());
  }

  synced(): Promise<void> {
    return this.#firstList.promise;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#firstList.reject(new Error(`the cache of ${this.#options.kind} was stopped before its first list`));
  }

  behindMs(): number {
    const since = [...this.#troubledSince.values()];
    return since.length === 0 ? 0 : performance.now() - Math.min(...since);
  }

  #kind(): KindRef {
    return { apiVersion: this.#options.apiVersion, kind: this.#options.kind };
  }

  #put(object: T): void {
    const key = keyOf(object.metadata.namespace, object.metadata.name);
    const previous = this.#objects.get(key);
    if (previous !== undefined && previous.metadata.resourceVersion === object.metadata.resourceVersion) return;
    const kept = withOurFieldsOnly(this.#options.keep?.(object) ?? object);
    this.#objects.set(key, kept);
    for (const handler of this.#changed) this.#tell(() => handler(kept, previous), kept);
  }

  #remove(object: T): void {
    const key = keyOf(object.metadata.namespace, object.metadata.name);
    if (!this.#objects.delete(key)) return;
    for (const handler of this.#deleted) this.#tell(() => handler(object), object);
  }

  #removeAllBut(seen: ReadonlySet<string>, namespace: string | undefined): void {
    for (const [key, object] of [...this.#objects]) {
      const inScope = namespace === undefined || object.metadata.namespace === namespace;
      if (inScope && !seen.has(key)) this.#remove(object);
    }
  }

  #tell(call: () => void, about: T): void {
    try {
      call();
    } catch (error) {
      this.#options.log.error({ err: error }, `a handler failed on ${describeRef(refOf(about))}`);
    }
  }
}

/** Who else owns which field is up to half of an object's size; `ensure` asks only what we own. */
function withOurFieldsOnly<T extends KubeObject>(object: T): T {
  const { managedFields, ...metadata } = object.metadata;
  if (managedFields === undefined) return object;
  const ours = managedFields.filter(
    (entry) => entry.manager === FIELD_MANAGER && entry.operation === 'Apply' && !entry.subresource,
  );
  return { ...object, metadata: ours.length === 0 ? metadata : { ...metadata, managedFields: ours } };
}
