import type { KubeClient } from './client.ts';
import type { KubeObject } from './object.ts';

export const APPLIED_ANNOTATION = 'ne-registry.io/applied';

export interface Ensured<T extends KubeObject> {
  object: T;
  written: boolean;
}

/**
 * Makes the cluster hold what `desired` says, by server-side apply, and writes nothing when it does already.
 *
 * Converged means: `live` carries the hash of exactly this `desired`, and the API server still counts every field of it
 * as ours (`metadata.managedFields`): a hand edit takes a field from us and is reverted; what others own stays; an
 * admission webhook that rewrites a value is not fought.
 *
 * `live` comes from a Cache or from `get`. Leave fields out of `desired` rather than setting them to null or empty.
 */
export async function ensure<T extends KubeObject>(
  _client: KubeClient,
  _desired: T,
  _live: T | undefined,
): Promise<Ensured<T>> {
  throw new Error('not yet');
}
