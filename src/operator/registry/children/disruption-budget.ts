import type { KubeObject } from '../../kube/object.ts';
import { selectorLabels } from '../names.ts';
import { owned, type Site } from '../site.ts';

/**
 * What the spec asks for; else, of several replicas, one may be away. With one replica any budget would only keep nodes
 * from being drained.
 */
export function renderDisruptionBudget(site: Site): KubeObject | undefined {
  const budget = site.spec.pdb ?? (site.replicas > 1 ? { maxUnavailable: 1 } : undefined);
  if (budget === undefined) return undefined;
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: owned(site, site.names.disruptionBudget),
    spec: { ...budget, selector: { matchLabels: selectorLabels(site.name, 'registry') } },
  };
}
