import type { KindRef, KubeObject, ObjectRef } from './object.ts';

/** The field manager of every write we own; the API server tracks by it which fields are ours. */
export const FIELD_MANAGER = 'ne-registry';

export interface ListOptions {
  /** Absent: all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  signal?: AbortSignal;
}

export interface DeleteOptions {
  propagation?: 'Foreground' | 'Background' | 'Orphan';
  /** Delete only this incarnation; a newer object of the same name stays, with a Conflict. */
  uid?: string;
}

/**
 * The API server, in raw JSON. Every method throws KubeError; a kind that the server does not know is the reason
 * `KindNotServed`.
 */
export interface KubeClient {
  /** The object, or undefined when there is none. */
  get<T extends KubeObject = KubeObject>(ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined>;
  /** All objects of a kind, read page by page. */
  list<T extends KubeObject = KubeObject>(kind: KindRef, options?: ListOptions): Promise<T[]>;
  /** Server-side apply as `ne-registry`, with force: the fields in `object` become ours, those we left out go. */
  apply<T extends KubeObject>(object: T, options?: { subresource?: 'status' }): Promise<T>;
  create<T extends KubeObject>(object: T): Promise<T>;
  /** PUT; Conflict when `metadata.resourceVersion` is no longer the object's. */
  replace<T extends KubeObject>(object: T): Promise<T>;
  /** JSON merge patch (RFC 7386); `metadata.resourceVersion` in it is a precondition. */
  patch<T extends KubeObject = KubeObject>(
    ref: ObjectRef,
    mergePatch: object,
    options?: { subresource?: 'status' },
  ): Promise<T>;
  /** Asks for the object's removal; an object that is not there is success. */
  delete(ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /** Whether the API server knows the kind (asked anew at most every few seconds while it does not). */
  serves(kind: KindRef): Promise<boolean>;
}

/** One page of a list, and the resource version that a watch may start from. */
export interface Page<T extends KubeObject> {
  items: T[];
  resourceVersion: string;
}

export interface WatchEvent<T extends KubeObject = KubeObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: T;
}

export interface WatchOptions extends ListOptions {
  resourceVersion: string;
  /** How long the server shall keep the watch open, in seconds. */
  timeoutSeconds: number;
  /** Called when the server has taken the watch on: it may be long before anything happens. */
  opened?: () => void;
}

/** What a cache needs to follow a kind. */
export interface ListWatch {
  pages<T extends KubeObject = KubeObject>(kind: KindRef, options?: ListOptions): AsyncIterable<Page<T>>;
  /** Ends when the server ends it; throws KubeError, reason Expired (410), when the version is too old. */
  watch<T extends KubeObject = KubeObject>(kind: KindRef, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}
