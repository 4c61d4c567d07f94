/** What of the cluster is followed for Registries: the resources themselves and everything that belongs to them. */
import type { Cached } from '../kube/cache.ts';
import type { KindRef, KubeObject } from '../kube/object.ts';
import type { Pod } from './health.ts';
import { type Component, componentLabel, registryLabel } from './names.ts';
import type { RegistryResource } from './resource.ts';
import type { Site } from './site.ts';

/** Kinds of children that are followed. Secrets are not: they are read by name. */
export const childKinds = [
  { apiVersion: 'v1', kind: 'ServiceAccount' },
  { apiVersion: 'v1', kind: 'Service' },
  { apiVersion: 'v1', kind: 'ConfigMap' },
  { apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
  { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'apps/v1', kind: 'DaemonSet' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
  { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' },
] as const satisfies readonly KindRef[];

export interface Node extends KubeObject {
  status?: { addresses?: { type: string; address: string }[] };
}

export interface View {
  readonly registries: Cached<RegistryResource>;
  /** By kind; each of `childKinds`. */
  readonly children: ReadonlyMap<string, Cached>;
  readonly pods: Cached<Pod>;
  /** Only where the whole cluster is watched. */
  readonly nodes: Cached<Node> | undefined;
}

/** The pods of one component of a Registry. */
export function podsOf(view: View, site: Site, component: Component): Pod[] {
  return view.pods.list(site.namespace).filter(({ metadata: { labels } }) => {
    return labels?.[registryLabel] === site.name && labels[componentLabel] === component;
  });
}

/**
 * Addresses under which the registry is reached through nodes, sorted; none where no node port leads to it. Where nodes
 * may not be read, those of the nodes that run an agent.
 */
export function nodeAddresses(view: View, site: Site): string[] {
  const type = site.spec.expose?.service?.type ?? 'ClusterIP';
  if (!site.configuresNodes && type === 'ClusterIP') return [];
  const addresses =
    view.nodes?.list().flatMap(addressesOf) ??
    podsOf(view, site, 'node-access').flatMap(({ status }) => (status?.hostIP ? [status.hostIP] : []));
  return [...new Set(addresses)].sort();
}

function addressesOf({ status }: Node): string[] {
  return (status?.addresses ?? [])
    .filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP')
    .map(({ address }) => address);
}
