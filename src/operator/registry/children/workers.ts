/** What does the long work of a Registry where its pods leave that to others: a Deployment, and what belongs to it. */
import type { KubeObject } from '../../kube/object.ts';
import { selectorLabels } from '../names.ts';
import { owned, type Site } from '../site.ts';
import { metricsIngress } from './network-policy.ts';
import { podTemplate } from './pod.ts';
import { managementPort } from './services.ts';

const component = 'workers';

/** None where the registry's own pods do the work. The Deployment is the last of them. */
export function renderWorkers(site: Site): KubeObject[] {
  return site.separateWorkers ? [networkPolicy(site), service(site), deployment(site)] : [];
}

/**
 * One pod: each job is held by one process at a time, so that a second would mostly wait. It may be there beside the one before,
 * which gives its jobs up when it ends.
 */
function deployment(site: Site): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: owned(site, site.names.workers, component),
    spec: {
      replicas: 1,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      revisionHistoryLimit: 3,
      selector: { matchLabels: selectorLabels(site.name, component) },
      template: podTemplate(site, component),
    },
  };
}

/** For Prometheus to find the management port by: what replication and retention do is told there. */
function service(site: Site): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: owned(site, site.names.workers, component),
    spec: {
      type: 'ClusterIP',
      clusterIP: 'None',
      selector: selectorLabels(site.name, component),
      ports: [managementPort],
    },
  };
}

/** It serves metrics and health alone. What it has to reach is the same as for the registry's pods, and left to the user's policies. */
function networkPolicy(site: Site): KubeObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: owned(site, site.names.workers, component),
    spec: {
      podSelector: { matchLabels: selectorLabels(site.name, component) },
      policyTypes: ['Ingress'],
      ingress: [metricsIngress],
    },
  };
}
