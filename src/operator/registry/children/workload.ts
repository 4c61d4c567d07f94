import type { KubeObject } from '../../kube/object.ts';
import { selectorLabels } from '../names.ts';
import { files, paths, ports, registryUser } from '../paths.ts';
import { owned, type Site } from '../site.ts';
import { drainSeconds } from './bootstrap.ts';
import { volumes } from './volumes.ts';

/**
 * The registry's pod. A StatefulSet, because it never starts a second pod of the same ordinal before the first is
 * known to be gone: the file system and SQLite have one writer.
 */
export function renderWorkload(site: Site): KubeObject {
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
      revisionHistoryLimit: 3,
      selector: { matchLabels: selectorLabels(site.name, 'registry') },
      template: { metadata: podMetadata(site), spec: podSpec(site) },
    },
  };
}

function podMetadata(site: Site): object {
  const { podLabels, podAnnotations } = site.spec;
  const { labels } = owned(site, site.name);
  return {
    labels: { ...podLabels, ...labels },
    annotations: { ...podAnnotations, 'kubectl.kubernetes.io/default-container': 'registry' },
  };
}

function podSpec(site: Site): object {
  const { spec } = site;
  const pullSecrets = spec.image?.pullSecrets;
  return {
    serviceAccountName: site.names.serviceAccount,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: drainSeconds + 20,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: registryUser,
      runAsGroup: registryUser,
      fsGroup: registryUser,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...(pullSecrets?.length ? { imagePullSecrets: pullSecrets } : {}),
    ...(spec.nodeSelector === undefined ? {} : { nodeSelector: spec.nodeSelector }),
    ...(spec.tolerations?.length ? { tolerations: spec.tolerations } : {}),
    ...(spec.affinity === undefined ? {} : { affinity: spec.affinity }),
    ...(spec.topologySpread?.length ? { topologySpreadConstraints: spread(site) } : {}),
    containers: [container(site)],
    volumes: volumes(site).map(({ volume }) => volume),
  };
}

function spread(site: Site): object[] {
  const labelSelector = { matchLabels: selectorLabels(site.name, 'registry') };
  return (site.spec.topologySpread ?? []).map((constraint) => ({ ...constraint, labelSelector }));
}

function container(site: Site): object {
  return {
    name: 'registry',
    image: site.image,
    imagePullPolicy: site.spec.image?.pullPolicy ?? 'IfNotPresent',
    args: ['serve', '--config', files.config],
    workingDir: paths.data,
    ports: [
      { name: 'api', containerPort: ports.api, protocol: 'TCP' },
      { name: 'management', containerPort: ports.management, protocol: 'TCP' },
    ],
    // Opening a large store after a crash takes its time; ten minutes, then the kubelet tries anew.
    startupProbe: probe('/healthz', { periodSeconds: 1, failureThreshold: 600 }),
    livenessProbe: probe('/healthz', { periodSeconds: 15, timeoutSeconds: 10, failureThreshold: 4 }),
    readinessProbe: probe('/readyz', { periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2 }),
    resources: resources(site),
    // What a registry that cannot start says last is what the operator shows in a condition.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: volumes(site).map(({ volume, path, readOnly }) => ({
      name: volume.name,
      mountPath: path,
      ...(readOnly ? { readOnly } : {}),
    })),
  };
}

function resources(site: Site): object {
  const { requests, limits } = site.spec.resources ?? {};
  return {
    requests: { cpu: '100m', memory: '128Mi', ...requests },
    ...(limits === undefined ? {} : { limits }),
  };
}

function probe(path: string, timing: Record<string, number>): object {
  return { httpGet: { path, port: 'management' }, ...timing };
}
