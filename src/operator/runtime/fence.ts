import type { KubeClient } from '../kube/client.ts';

/**
 * The client for what only a leader may do: once the signal has aborted it refuses every write, so that a reconcile
 * that did not notice cannot act beside the next leader. Reads go on.
 */
export function fence(client: KubeClient, signal: AbortSignal): KubeClient {
  const guarded = <T>(write: () => Promise<T>): Promise<T> =>
    signal.aborted ? Promise.reject(new Error('not written: no longer the leader')) : write();
  return {
    get: (ref, aborts) => client.get(ref, aborts),
    list: (kind, options) => client.list(kind, options),
    serves: (kind) => client.serves(kind),
    apply: (object, options) => guarded(() => client.apply(object, options)),
    create: (object) => guarded(() => client.create(object)),
    replace: (object) => guarded(() => client.replace(object)),
    patch: (ref, mergePatch, options) => guarded(() => client.patch(ref, mergePatch, options)),
    delete: (ref, options) => guarded(() => client.delete(ref, options)),
  };
}
