/**
 * The names and labels of everything that belongs to one Registry. All are derived: a reconcile that was killed at any
 * step finds what it made before.
 */
export const group = 'ne-registry.io';
export const managedBy = { 'app.kubernetes.io/managed-by': 'ne-registry' } as const;
/** Selects every child of every Registry. */
export const childSelector = 'app.kubernetes.io/managed-by=ne-registry';
/** Names the Registry that a child belongs to; also on children that outlive it. */
export const registryLabel = 'ne-registry.io/registry';
export const componentLabel = 'app.kubernetes.io/component';

export const annotations = {
  /** A new value asks for a reconcile at once; what it was is in `status.lastHandledReconcileAt`. */
  reconcileAt: 'ne-registry.io/reconcile-at',
  /** On a pod: moves when a mounted Secret changes, so that the kubelet hands it over at once rather than within a minute. */
  mounted: 'ne-registry.io/mounted',
  /** On a pod: the stores that it was made for. */
  places: 'ne-registry.io/places',
} as const;

export type Component = 'registry' | 'workers' | 'node-access';
/** The components whose pods run the registry's program on the registry's stores. */
export type RegistryComponent = Exclude<Component, 'node-access'>;

export interface ChildNames {
  readonly workload: string;
  readonly service: string;
  readonly governingService: string;
  readonly nodeService: string;
  readonly volumeClaim: string;
  readonly bootstrap: string;
  readonly keys: string;
  readonly administrator: string;
  readonly replicationUser: string;
  readonly authority: string;
  readonly certificate: string;
  readonly bundle: string;
  readonly nodeAccess: string;
  readonly ingress: string;
  readonly networkPolicy: string;
  readonly serviceAccount: string;
  readonly serviceMonitor: string;
  readonly disruptionBudget: string;
  /** Of the pods that do the long work, and of what belongs to them. */
  readonly workers: string;
}

/** The names of the children of the Registry `name`, all in its namespace. */
export function childNames(name: string): ChildNames {
  return {
    workload: name,
    service: name,
    governingService: `${name}-pods`,
    nodeService: `${name}-nodes`,
    volumeClaim: `${name}-data`,
    bootstrap: `${name}-bootstrap`,
    keys: `${name}-keys`,
    administrator: `${name}-admin`,
    replicationUser: `${name}-replication`,
    authority: `${name}-ca`,
    certificate: `${name}-tls`,
    bundle: `${name}-ca`,
    nodeAccess: `${name}-node-access`,
    ingress: name,
    networkPolicy: name,
    serviceAccount: `${name}-registry`,
    serviceMonitor: name,
    disruptionBudget: name,
    workers: `${name}-workers`,
  };
}

/** What selects the pods of one component of a Registry; never changes, since selectors cannot. */
export function selectorLabels(name: string, component: Component): Record<string, string> {
  return { 'app.kubernetes.io/name': 'ne-registry', 'app.kubernetes.io/instance': name, [componentLabel]: component };
}

/** The labels of every child. */
export function childLabels(name: string, component: Component = 'registry'): Record<string, string> {
  return { ...selectorLabels(name, component), ...managedBy, [registryLabel]: name };
}

/** Names under which pods in the cluster reach the registry's Service, the shortest last. */
export function serviceNames(name: string, namespace: string): string[] {
  const service = childNames(name).service;
  return [
    `${service}.${namespace}.svc`,
    `${service}.${namespace}.svc.cluster.local`,
    `${service}.${namespace}`,
    service,
  ];
}
