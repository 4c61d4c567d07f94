/** Which Registries a rule may name by `registry://`, and whose users it then is. Pure. */
import type { RegistryResource } from '../registry/resource.ts';
import { isRegistry, placesOf } from './place.ts';
import type { ReplicationRuleResource } from './resource.ts';

/**
 * On a Registry: the namespaces, separated by commas, whose rules may name it; `*` for all. Without it only those of its own
 * namespace may, since a rule reads and writes every repository of a Registry that it names.
 */
export const replicationNamespaces = 'ne-registry.io/replication-namespaces';

/** Whether rules of `namespace` may name this Registry. */
export function admits({ metadata }: RegistryResource, namespace: string): boolean {
  if (metadata.namespace === namespace) return true;
  const admitted = (metadata.annotations?.[replicationNamespaces] ?? '').split(',').map((each) => each.trim());
  return admitted.includes('*') || (namespace !== '' && admitted.includes(namespace));
}

/** Whether a rule that another Registry carries out reaches this one over the network, and needs a user there for it. */
export function reaches(
  rule: ReplicationRuleResource,
  registry: RegistryResource,
  worker: RegistryResource | undefined,
): boolean {
  const namespace = rule.metadata.namespace ?? '';
  if (worker === undefined || isSame(worker, registry) || !admits(registry, namespace)) return false;
  return placesOf(rule.spec, namespace).some(
    (place) =>
      isRegistry(place) && place.name === registry.metadata.name && place.namespace === registry.metadata.namespace,
  );
}

export function isSame(one: RegistryResource, other: RegistryResource): boolean {
  return one.metadata.name === other.metadata.name && one.metadata.namespace === other.metadata.namespace;
}
