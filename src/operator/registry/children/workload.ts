import type { KubeObject } from '../../kube/object.ts';
import { selectorLabels } from '../names.ts';
import { owned, type Site } from '../site.ts';
import { podTemplate } from './pod.ts';

/** What runs the registry's pods: a Deployment where they share everything, else a StatefulSet of one. */
export function renderWorkload(site: Site): KubeObject {
  return site.shared ? deployment(site) : statefulSet(site);
}

/**
 * A StatefulSet, because it never starts a second pod of the same ordinal before the first is known to be gone: the file
 * system and SQLite have one writer.
 */
function statefulSet(site: Site): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: owned(site, site.names.workload),
    spec: {
      replicas: 1,
      serviceName: site.names.governingService,
      // Parallel, so that a pod that does not start is replaced when its specification is corrected.
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      ...common(site),
    },
  };
}

/** One pod more is ready before one leaves, so that there are never fewer than the spec asks for. */
function deployment(site: Site): KubeObject {
  const { replicas } = site.spec;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: owned(site, site.names.workload),
    spec: {
      // Left out where the spec leaves it out: an autoscaler may then set it.
      ...(replicas === undefined ? {} : { replicas }),
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      ...common(site),
    },
  };
}

function common(site: Site): object {
  return {
    revisionHistoryLimit: 3,
    selector: { matchLabels: selectorLabels(site.name, 'registry') },
    template: podTemplate(site, 'registry'),
  };
}
