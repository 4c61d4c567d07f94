import type { ListWatch } from './client.ts';
import type { Log } from './log.ts';
import type { KindRef, KubeObject } from './object.ts';

export interface CacheOptions extends KindRef {
  log: Log;
  /** Absent: cluster-wide. */
  namespaces?: readonly string[];
  labelSelector?: string;
  /** Seconds between full lists that catch whatever a watch may have missed; default 600, jittered. */
  relistSeconds?: number;
}

/** Called with the object now known and the one known before. */
export type ChangeHandler<T extends KubeObject> = (object: T, previous: T | undefined) => void;
export type DeleteHandler<T extends KubeObject> = (object: T) => void;

/** A local copy of all objects of a kind. Objects are shared: never change one. */
export interface Cached<T extends KubeObject = KubeObject> {
  get(namespace: string | undefined, name: string): T | undefined;
  list(namespace?: string): T[];
  /** Handlers run in order of the changes; one that throws is logged, and the others still run. Gives a way to unsubscribe. */
  on(event: 'change', handler: ChangeHandler<T>): () => void;
  on(event: 'delete', handler: DeleteHandler<T>): () => void;
  /** Starts following; once is enough. */
  start(): void;
  /** Settles when the first full list is in. */
  synced(): Promise<void>;
  /** Stops following; settles when nothing runs any more. */
  stop(): Promise<void>;
}

export class Cache<T extends KubeObject = KubeObject> implements Cached<T> {
  constructor(_client: ListWatch, _options: CacheOptions) {}
  get(_namespace: string | undefined, _name: string): T | undefined {
    throw new Error('not yet');
  }
  list(_namespace?: string): T[] {
    throw new Error('not yet');
  }
  on(event: 'change', handler: ChangeHandler<T>): () => void;
  on(event: 'delete', handler: DeleteHandler<T>): () => void;
  on(_event: 'change' | 'delete', _handler: ChangeHandler<T>): () => void {
    throw new Error('not yet');
  }
  start(): void {
    throw new Error('not yet');
  }
  synced(): Promise<void> {
    throw new Error('not yet');
  }
  stop(): Promise<void> {
    throw new Error('not yet');
  }
}
