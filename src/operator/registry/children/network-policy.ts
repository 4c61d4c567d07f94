import type { KubeObject } from '../../kube/object.ts';
import { selectorLabels } from '../names.ts';
import { ports } from '../paths.ts';
import { owned, type Site } from '../site.ts';

/**
 * What may reach the registry's pod: by default everybody the API, since nodes pull with addresses that no selector
 * knows, and pods of the cluster the metrics. The pod itself opens no connection, so none may leave it.
 */
export function renderNetworkPolicy(site: Site): KubeObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: owned(site, site.names.networkPolicy),
    spec: {
      podSelector: { matchLabels: selectorLabels(site.name, 'registry') },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { ...sources(site), ports: [{ protocol: 'TCP', port: ports.api }] },
        { from: [{ namespaceSelector: {} }], ports: [{ protocol: 'TCP', port: ports.management }] },
      ],
    },
  };
}

function sources(site: Site): { from?: object[] } {
  const from = site.spec.networkPolicy?.from;
  if (from === undefined) return {};
  if (site.operatorNamespace === undefined) return { from };
  const operator = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': site.operatorNamespace } } };
  return { from: [...from, operator] };
}
