/** Which Registry's pods carry a rule out. Pure. */
import { Failing } from '../registry/failing.ts';
import type { RegistryResource } from '../registry/resource.ts';
import { isRegistry, type Place, placesOf } from './place.ts';
import type { ReplicationRuleResource } from './resource.ts';

/**
 * `registryRef`, else the first of source and targets that is a Registry of the rule's namespace, else the only Registry of
 * the namespace. Throws Failing where there is none or no telling which; Registries on their way out do not count.
 * @param registries of the rule's namespace
 */
export function workerOf(
  { metadata, spec }: ReplicationRuleResource,
  registries: readonly RegistryResource[],
): RegistryResource {
  const namespace = metadata.namespace ?? '';
  const living = registries.filter(isLiving);
  const asked = spec.registryRef?.name;
  if (asked !== undefined) return named(asked, living) ?? missing(`spec.registryRef.name`, asked, namespace);
  for (const place of placesOf(spec, namespace)) {
    const worker = standsFor(place, living, namespace);
    if (worker !== undefined) return worker;
    if (isRegistry(place) && place.namespace === namespace)
      missing(`registry://${place.registry}`, place.name, namespace);
  }
  return only(living, namespace);
}

/** Whether a Registry answers for this host, `host[:port]`. */
export function answersFor({ spec }: RegistryResource, host: string): boolean {
  const own = [
    spec.host,
    ...(spec.externalURLs ?? []).map((url) => url.replace(/^https?:\/\//, '').replace(/\/.*$/, '')),
  ];
  return own.some((each) => each.toLowerCase() === host);
}

function standsFor(
  place: Place,
  registries: readonly RegistryResource[],
  namespace: string,
): RegistryResource | undefined {
  if (!isRegistry(place)) return registries.find((each) => answersFor(each, place.host));
  return place.namespace === namespace ? named(place.name, registries) : undefined;
}

function only(registries: readonly RegistryResource[], namespace: string): RegistryResource {
  const [first] = registries;
  if (first === undefined) {
    throw new Failing(
      'RegistryNotFound',
      `there is no Registry in namespace ${namespace} that could do the work: create one, or create the rule where one is`,
    );
  }
  if (registries.length === 1) return first;
  const names = registries.map(({ metadata: { name } }) => name).sort();
  throw new Failing(
    'RegistryAmbiguous',
    `namespace ${namespace} has ${registries.length} Registries, and the rule names none of them: set spec.registryRef.name to the one that does the work: ${names.slice(0, 10).join(', ')}`,
  );
}

function missing(field: string, name: string, namespace: string): never {
  throw new Failing(
    'RegistryNotFound',
    `there is no Registry ${namespace}/${name}, which ${field} names: create it, or correct the rule`,
  );
}

function named(name: string, registries: readonly RegistryResource[]): RegistryResource | undefined {
  return registries.find(({ metadata }) => metadata.name === name);
}

function isLiving({ metadata }: RegistryResource): boolean {
  return metadata.deletionTimestamp === undefined;
}
