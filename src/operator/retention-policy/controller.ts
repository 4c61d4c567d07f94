/** The controller of RetentionPolicies. */
import type { Cache } from '../kube/cache.ts';
import type { RegistryResource } from '../registry/resource.ts';
import type { WatchedRules } from '../rules/controller.ts';
import { Controller, requestFor, source } from '../runtime/controller.ts';
import { isChanged, type Tools, turned } from '../tools.ts';
import { retentionPolicyReconciler } from './reconcile.ts';
import { isMissing, registryOf } from './registry-of.ts';
import type { RetentionPolicyResource } from './resource.ts';

export function retentionPolicyController(tools: Tools, policies: Cache<RetentionPolicyResource>): Controller {
  const { registries, concurrency, log, metrics } = tools;
  // Which Registry a policy is for depends on which there are.
  const neighbours = ({ metadata }: RegistryResource) => policies.list(metadata.namespace).flatMap(requestFor);
  return new Controller({
    name: 'retentionpolicy',
    concurrency,
    reconcile: retentionPolicyReconciler({ ...tools, policies }),
    sources: [
      source({ cache: policies, mapTo: requestFor, when: isChanged }),
      source({ cache: registries, mapTo: neighbours, when: turned }),
    ],
    log,
    metrics,
  });
}

/** Which rules of retention a Registry is to have. */
export function retentionRules(
  { registries }: Pick<Tools, 'registries'>,
  policies: Cache<RetentionPolicyResource>,
): WatchedRules {
  return {
    kind: 'retention',
    cache: policies as unknown as Cache,
    wants: ({ metadata: { namespace, name } }, rule) => {
      const policy = policies.get(namespace, rule);
      if (policy === undefined || policy.metadata.deletionTimestamp !== undefined) return false;
      const registry = registryOf(policy, registries.list(namespace));
      // What waits for a decision between Registries stays where it is.
      return isMissing(registry) ? registry.reason === 'RegistryAmbiguous' : registry.metadata.name === name;
    },
  };
}
