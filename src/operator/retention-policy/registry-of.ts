/** Which Registry a policy is for. Pure. */
import type { RegistryResource } from '../registry/resource.ts';
import type { RetentionPolicyResource } from './resource.ts';

/** Why a policy waits: for a Registry to come, or to be named. */
export interface Missing {
  readonly reason: 'RegistryNotFound' | 'RegistryAmbiguous';
  readonly message: string;
}

/**
 * The one that `registryRef` names, or the only one of the namespace. Registries on their way out do not count.
 * @param registries of the policy's namespace
 */
export function registryOf(
  { metadata, spec }: RetentionPolicyResource,
  registries: readonly RegistryResource[],
): RegistryResource | Missing {
  const living = registries.filter((each) => each.metadata.deletionTimestamp === undefined);
  const asked = spec.registryRef?.name;
  const [first, ...others] = asked === undefined ? living : living.filter((each) => each.metadata.name === asked);
  if (first === undefined) return notFound(metadata.namespace ?? '', asked);
  if (others.length === 0) return first;
  const names = living.map((each) => each.metadata.name).sort();
  return {
    reason: 'RegistryAmbiguous',
    message: `namespace ${metadata.namespace} has ${names.length} Registries, and the policy names none of them: set spec.registryRef.name to one of ${names.slice(0, 10).join(', ')}`,
  };
}

export function isMissing(found: RegistryResource | Missing): found is Missing {
  return 'reason' in found;
}

function notFound(namespace: string, asked: string | undefined): Missing {
  const message =
    asked === undefined
      ? `there is no Registry in namespace ${namespace}: the policy waits for one`
      : `there is no Registry ${namespace}/${asked}, which spec.registryRef.name names: the policy waits for it`;
  return { reason: 'RegistryNotFound', message };
}
