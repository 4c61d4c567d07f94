/** The controller of ReplicationRules. */
import type { Cache } from '../kube/cache.ts';
import type { RegistryResource } from '../registry/resource.ts';
import type { WatchedRules } from '../rules/controller.ts';
import { Controller, requestFor, source } from '../runtime/controller.ts';
import { isChanged, type Tools, turned } from '../tools.ts';
import { replicationRuleReconciler } from './reconcile.ts';
import type { ReplicationRuleResource } from './resource.ts';
import { keepsRule } from './roles.ts';

export function replicationRuleController(tools: Tools, rules: Cache<ReplicationRuleResource>): Controller {
  const { registries, concurrency, log, metrics } = tools;
  // Which Registry works, and how places are reached, depends on which Registries there are, in whatever namespace.
  const concerned = (_registry: RegistryResource) => rules.list().flatMap(requestFor);
  return new Controller({
    name: 'replicationrule',
    concurrency,
    reconcile: replicationRuleReconciler({ ...tools, rules }),
    sources: [
      source({ cache: rules, mapTo: requestFor, when: isChanged }),
      source({ cache: registries, mapTo: concerned, when: turned }),
    ],
    log,
    metrics,
  });
}

/** Which rules of replication a Registry is to have. */
export function replicationRules(
  { registries }: Pick<Tools, 'registries'>,
  rules: Cache<ReplicationRuleResource>,
): WatchedRules {
  return {
    kind: 'replication',
    cache: rules as unknown as Cache,
    wants: (registry, name) => {
      const { namespace } = registry.metadata;
      return keepsRule(registry, rules.get(namespace, name), registries.list(namespace));
    },
  };
}
