import type { KubeObject } from '../../kube/object.ts';
import { selectorLabels } from '../names.ts';
import { owned, type Site } from '../site.ts';

/** A budget where the spec asks for one: with the one replica of today any other would only block node drains. */
export function renderDisruptionBudget(site: Site): KubeObject | undefined {
  const { pdb } = site.spec;
  if (pdb === undefined) return undefined;
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: owned(site, site.names.disruptionBudget),
    spec: { ...pdb, selector: { matchLabels: selectorLabels(site.name, 'registry') } },
  };
}
