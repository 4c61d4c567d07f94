import type { KubeObject } from '../../kube/object.ts';
import { selectorLabels } from '../names.ts';
import { ports } from '../paths.ts';
import { owned, type Site } from '../site.ts';

/** Pods of the cluster may read metrics and health of any of a Registry's pods. */
export const metricsIngress = {
  from: [{ namespaceSelector: {} }],
  ports: [{ protocol: 'TCP', port: ports.management }],
} as const;

/**
 * What may reach the registry's pod: by default everybody the API, since nodes pull with addresses that no selector
 * knows, and pods of the cluster the metrics. On a volume the pod itself opens no connection, so none may leave it. One
 * that keeps things in a bucket or in PostgreSQL has to reach them, a resolver, and where it gets its identity: their
 * addresses are not known here, so what leaves it is left to policies of the user's own, which an "allow all" would undo.
 */
export function renderNetworkPolicy(site: Site): KubeObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: owned(site, site.names.networkPolicy),
    spec: {
      podSelector: { matchLabels: selectorLabels(site.name, 'registry') },
      policyTypes: reachesOut(site) ? ['Ingress'] : ['Ingress', 'Egress'],
      ingress: [{ ...sources(site), ports: [{ protocol: 'TCP', port: ports.api }] }, metricsIngress],
    },
  };
}

function reachesOut({ replicates, spec: { storage, metadata, backup } }: Site): boolean {
  return replicates === true || [storage?.s3, metadata?.postgres, backup?.target.s3].some((each) => each !== undefined);
}

function sources(site: Site): { from?: object[] } {
  const from = site.spec.networkPolicy?.from;
  if (from === undefined) return {};
  if (site.operatorNamespace === undefined) return { from };
  const operator = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': site.operatorNamespace } } };
  return { from: [...from, operator] };
}
