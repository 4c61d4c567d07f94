import type { KubeClient } from '../kube/client.ts';

/**
 * The client for what only a leader may do: it refuses every write while `leads` says no, so that a reconcile that did
 * not notice cannot act beside the next leader. Reads go on.
 */
export function fence(client: KubeClient, leads: () => boolean): KubeClient {
  const guarded = <T>(write: () => Promise<T>): Promise<T> =>
    leads() ? write() : Promise.reject(new Error('not written: this process does not lead'));
  return {
    get: (ref, signal) => client.get(ref, signal),
    list: (kind, options) => client.list(kind, options),
    serves: (kind) => client.serves(kind),
    apply: (object, options) => guarded(() => client.apply(object, options)),
    create: (object) => guarded(() => client.create(object)),
    replace: (object) => guarded(() => client.replace(object)),
    patch: (ref, mergePatch, options) => guarded(() => client.patch(ref, mergePatch, options)),
    delete: (ref, options) => guarded(() => client.delete(ref, options)),
  };
}
