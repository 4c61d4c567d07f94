import type { KubeObject } from '../../kube/object.ts';
import { selectorLabels } from '../names.ts';
import { ports } from '../paths.ts';
import { owned, type Site } from '../site.ts';

export interface Service extends KubeObject {
  spec: { type?: string; ports?: { name?: string; port: number; nodePort?: number }[] };
}

/** Where Prometheus finds what any of a Registry's pods tells. */
export const managementPort = {
  name: 'management',
  port: ports.management,
  targetPort: 'management',
  protocol: 'TCP',
} as const;

/** The Service that clients and Ingress use. */
export function renderService(site: Site): KubeObject {
  const { type, nodePort, externalTrafficPolicy, annotations } = site.spec.expose?.service ?? {};
  const metadata = owned(site, site.names.service);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: annotations === undefined ? metadata : { ...metadata, annotations },
    spec: {
      type: type ?? 'ClusterIP',
      ...(externalTrafficPolicy === undefined ? {} : { externalTrafficPolicy }),
      selector: selectorLabels(site.name, 'registry'),
      ports: [apiPort(site.servicePort, nodePort)],
    },
  };
}

/** Gives the pod its stable name, and Prometheus something to find the management port by. */
export function renderGoverningService(site: Site): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: owned(site, site.names.governingService),
    spec: {
      type: 'ClusterIP',
      clusterIP: 'None',
      selector: selectorLabels(site.name, 'registry'),
      ports: [apiPort(ports.api), managementPort],
    },
  };
}

/**
 * The way nodes take under `nodeAccess: Configure`. A Service of its own, so that the type of the other is the user's.
 * The cluster chooses the port and keeps it: it is none of the fields that we apply.
 */
export function renderNodeService(site: Site): KubeObject | undefined {
  if (!site.configuresNodes) return undefined;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: owned(site, site.names.nodeService),
    spec: { type: 'NodePort', selector: selectorLabels(site.name, 'registry'), ports: [apiPort(ports.api)] },
  };
}

/** The port that the cluster gave the node Service. */
export function nodePortOf(service: Service | undefined): number | undefined {
  return service?.spec.ports?.find((port) => port.name === 'api')?.nodePort;
}

function apiPort(port: number, nodePort?: number): object {
  return {
    name: 'api',
    port,
    targetPort: 'api',
    protocol: 'TCP',
    ...(nodePort === undefined ? {} : { nodePort }),
  };
}
