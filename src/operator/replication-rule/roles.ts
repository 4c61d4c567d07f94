/** What the rules of a cluster want of its Registries. Pure. */
import { Failing } from '../registry/failing.ts';
import type { RegistryResource } from '../registry/resource.ts';
import { reaches } from './neighbours.ts';
import { isRegistry, placesOf } from './place.ts';
import type { ReplicationRuleResource } from './resource.ts';
import { workerOf } from './worker.ts';

export interface Known {
  readonly rules: readonly ReplicationRuleResource[];
  readonly registries: readonly RegistryResource[];
}

/** Whether rules have this Registry do work, and whether others reach it for one. */
export function rolesOf(registry: RegistryResource, known: Known): { replicates: boolean; replicated: boolean } {
  const roles = { replicates: false, replicated: false };
  for (const rule of known.rules) {
    const worker = knownWorkerOf(rule, known.registries);
    if (worker?.metadata.uid === registry.metadata.uid) roles.replicates = true;
    else if (reaches(rule, registry, worker)) roles.replicated = true;
  }
  return roles;
}

/** The Registry that carries a rule out, or undefined where that cannot be told. */
export function knownWorkerOf(
  rule: ReplicationRuleResource,
  registries: readonly RegistryResource[],
): RegistryResource | undefined {
  try {
    return workerOf(rule, ofNamespace(registries, rule.metadata.namespace));
  } catch (error) {
    if (error instanceof Failing) return undefined;
    throw error;
  }
}

/**
 * Whether a Registry that has this rule shall keep it: it is the one that carries it out, or there is no telling which one is.
 * A slip in a rule stops nothing.
 */
export function keepsRule(
  registry: RegistryResource,
  rule: ReplicationRuleResource | undefined,
  registries: readonly RegistryResource[],
): boolean {
  if (rule === undefined || rule.metadata.deletionTimestamp !== undefined) return false;
  const worker = knownWorkerOf(rule, registries);
  return worker === undefined || worker.metadata.uid === registry.metadata.uid;
}

/** Those that may have to change when this rule comes, changes or goes. */
export function registriesConcernedBy(
  rule: ReplicationRuleResource,
  registries: readonly RegistryResource[],
): { namespace: string; name: string }[] {
  const namespace = rule.metadata.namespace ?? '';
  const neighbours = ofNamespace(registries, namespace).map(({ metadata: { name } }) => ({ namespace, name }));
  const named = placesOf(rule.spec, namespace).filter(isRegistry);
  const elsewhere = named.filter((place) => place.namespace !== namespace);
  return [...neighbours, ...elsewhere.map((place) => ({ namespace: place.namespace, name: place.name }))];
}

function ofNamespace(registries: readonly RegistryResource[], namespace: string | undefined): RegistryResource[] {
  return registries.filter(({ metadata }) => metadata.namespace === namespace);
}
