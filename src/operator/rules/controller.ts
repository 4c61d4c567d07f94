/** The controller that takes rules out of registries whose resources are gone. */
import type { Cache } from '../kube/cache.ts';
import type { KubeObject } from '../kube/object.ts';
import { Controller, requestFor, source } from '../runtime/controller.ts';
import { isChanged, type Tools, turned } from '../tools.ts';
import { type RuleResources, ruleRemovalReconciler } from './removal.ts';

/** Resources of a kind of rule, and what is known of them. */
export interface WatchedRules extends RuleResources {
  readonly cache: Cache;
}

export function ruleRemovalController(
  { registries, clientOf, log, metrics }: Tools,
  resources: readonly WatchedRules[],
): Controller {
  const neighbours = ({ metadata }: KubeObject) => registries.list(metadata.namespace).flatMap(requestFor);
  // A new resource has nothing to be removed; one that changed may be for another Registry now.
  const when = (one: KubeObject, before: KubeObject | undefined) => before !== undefined && isChanged(one, before);
  return new Controller({
    name: 'ruleremoval',
    concurrency: 1,
    reconcile: ruleRemovalReconciler({ registries, clientOf, resources, log }),
    sources: [
      source({ cache: registries, mapTo: requestFor, when: turned }),
      ...resources.map(({ cache }) => source({ cache, mapTo: neighbours, when })),
    ],
    log,
    metrics,
  });
}
