/** The controller of ReplicationRules. */
import type { Cache } from '../kube/cache.ts';
import { Failing } from '../registry/failing.ts';
import type { RegistryResource } from '../registry/resource.ts';
import type { WatchedRules } from '../rules/controller.ts';
import { Controller, requestFor, source } from '../runtime/controller.ts';
import { isChanged, type Tools, turned } from '../tools.ts';
import { replicationRuleReconciler } from './reconcile.ts';
import type { ReplicationRuleResource } from './resource.ts';
import { workerOf } from './worker.ts';

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
      const rule = rules.get(registry.metadata.namespace, name);
      if (rule === undefined || rule.metadata.deletionTimestamp !== undefined) return false;
      return isWorker(registry, rule, registries.list(registry.metadata.namespace));
    },
  };
}

/** What waits for a decision between Registries stays where it is. */
function isWorker(
  { metadata }: RegistryResource,
  rule: ReplicationRuleResource,
  registries: readonly RegistryResource[],
): boolean {
  try {
    return workerOf(rule, registries).metadata.name === metadata.name;
  } catch (error) {
    if (error instanceof Failing) return error.reason === 'RegistryAmbiguous';
    throw error;
  }
}
