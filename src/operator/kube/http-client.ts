import type { DeleteOptions, KubeClient, ListOptions, ListWatch, Page, WatchEvent, WatchOptions } from './client.ts';
import { FIELD_MANAGER } from './client.ts';
import { Discovery } from './discovery.ts';
import { KubeError } from './error.ts';
import { type KindRef, type KubeObject, type ObjectRef, refOf } from './object.ts';
import type { Call, Transport } from './transport.ts';
import { watchEvents } from './watch.ts';

const PAGE_SIZE = 500;

interface ListAnswer<T> {
  metadata: { resourceVersion: string; continue?: string };
  items: T[] | null;
}

/** The API server over HTTP. */
export class HttpKubeClient implements KubeClient, ListWatch {
  readonly #transport: Transport;
  readonly #discovery: Discovery;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.#discovery = new Discovery(transport);
  }

  async get<T extends KubeObject = KubeObject>(ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined> {
    try {
      return await this.#send<T>(ref, { method: 'GET', path: await this.#discovery.path(ref, ref), signal });
    } catch (error) {
      if (error instanceof KubeError && error.status === 404 && error.reason === 'NotFound') return undefined;
      throw error;
    }
  }

  async list<T extends KubeObject = KubeObject>(kind: KindRef, options: ListOptions = {}): Promise<T[]> {
    const all: T[] = [];
    for await (const page of this.pages<T>(kind, options)) all.push(...page.items);
    return all;
  }

  async *pages<T extends KubeObject = KubeObject>(kind: KindRef, options: ListOptions = {}): AsyncGenerator<Page<T>> {
    const path = await this.#discovery.path(kind, { namespace: options.namespace });
    let limit = PAGE_SIZE;
    let next: string | undefined;
    do {
      const query = searchParams(options, { limit: String(limit), continue: next });
      const call: Call = { method: 'GET', path: `${path}?${query}`, signal: options.signal };
      try {
        const answer = await this.#send<ListAnswer<T>>(kind, call);
        next = answer.metadata.continue || undefined;
        const items = (answer.items ?? []).map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind }));
        yield { items, resourceVersion: answer.metadata.resourceVersion };
      } catch (error) {
        if (!(error instanceof KubeError) || error.reason !== 'ResponseTooLarge' || limit === 1) throw error;
        limit = Math.max(1, Math.floor(limit / 10));
        next ??= '';
      }
    } while (next !== undefined);
  }

  async *watch<T extends KubeObject = KubeObject>(kind: KindRef, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const path = await this.#discovery.path(kind, { namespace: options.namespace });
    const query = searchParams(options, {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(options.timeoutSeconds),
    });
    try {
      yield* watchEvents<T>(this.#transport, `${path}?${query}`, options.signal, options.opened);
    } catch (error) {
      this.#noteMissing(kind, error);
      throw error;
    }
  }

  async apply<T extends KubeObject>(object: T, options: { subresource?: 'status' } = {}): Promise<T> {
    const { managedFields: _, ...metadata } = object.metadata;
    const ref = refOf(object);
    const path = await this.#path(ref, options.subresource);
    return await this.#send<T>(ref, {
      method: 'PATCH',
      path: `${path}?fieldManager=${FIELD_MANAGER}&force=true`,
      // JSON is YAML, and this is the only name the server has for it.
      contentType: 'application/apply-patch+yaml',
      body: { ...object, metadata },
    });
  }

  async create<T extends KubeObject>(object: T): Promise<T> {
    const path = await this.#discovery.path(object, { namespace: object.metadata.namespace });
    return await this.#send<T>(object, { method: 'POST', path: `${path}?fieldManager=${FIELD_MANAGER}`, body: object });
  }

  async replace<T extends KubeObject>(object: T): Promise<T> {
    const path = await this.#path(refOf(object));
    return await this.#send<T>(object, { method: 'PUT', path: `${path}?fieldManager=${FIELD_MANAGER}`, body: object });
  }

  async patch<T extends KubeObject = KubeObject>(
    ref: ObjectRef,
    mergePatch: object,
    options: { subresource?: 'status' } = {},
  ): Promise<T> {
    const path = await this.#path(ref, options.subresource);
    return await this.#send<T>(ref, {
      method: 'PATCH',
      path: `${path}?fieldManager=${FIELD_MANAGER}`,
      contentType: 'application/merge-patch+json',
      body: mergePatch,
    });
  }

  async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    try {
      const path = await this.#path(ref);
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: options.propagation ?? 'Background',
        ...(options.uid === undefined ? {} : { preconditions: { uid: options.uid } }),
      };
      await this.#send(ref, { method: 'DELETE', path, body });
    } catch (error) {
      // Of a kind that is not served there is no object either.
      if (!(error instanceof KubeError && error.status === 404)) throw error;
    }
  }

  async serves(kind: KindRef): Promise<boolean> {
    return await this.#discovery.serves(kind);
  }

  async #path(ref: ObjectRef, subresource?: 'status'): Promise<string> {
    const path = await this.#discovery.path(ref, ref);
    return subresource === undefined ? path : `${path}/${subresource}`;
  }

  async #send<T>(kind: KindRef, call: Call): Promise<T> {
    try {
      return await this.#transport.send<T>(call);
    } catch (error) {
      this.#noteMissing(kind, error);
      throw error;
    }
  }

  #noteMissing(kind: KindRef, error: unknown): void {
    if (error instanceof KubeError && error.reason === 'KindNotServed') this.#discovery.forget(kind);
  }
}

function searchParams(options: ListOptions, more: Record<string, string | undefined>): URLSearchParams {
  const { labelSelector, fieldSelector } = options;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ labelSelector, fieldSelector, ...more })) {
    if (value) query.set(name, value);
  }
  return query;
}
