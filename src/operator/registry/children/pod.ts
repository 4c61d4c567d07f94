/** The registry's pod, the same under a StatefulSet and a Deployment but for what it mounts and how it spreads. */
import { createHash } from 'node:crypto';
import { annotations, selectorLabels } from '../names.ts';
import { files, paths, ports, registryUser } from '../paths.ts';
import { owned, type Site } from '../site.ts';
import { drainSeconds, lingerSeconds } from './bootstrap.ts';
import { authorities, places } from './places.ts';
import { volumes } from './volumes.ts';

/** The pod of a Registry, the same in a StatefulSet and in a Deployment. */
export function podTemplate(site: Site): object {
  return { metadata: podMetadata(site), spec: podSpec(site) };
}

function podMetadata(site: Site): object {
  const { podLabels, podAnnotations } = site.spec;
  const { labels } = owned(site, site.name);
  return {
    labels: { ...podLabels, ...labels },
    annotations: { ...podAnnotations, ...placesHash(site), 'kubectl.kubernetes.io/default-container': 'registry' },
  };
}

/**
 * A running registry does not move to other stores: pods are replaced when what says where they are changes. Where all is
 * on the pod's own volume nothing of it can. The place for backups may change under a running registry.
 */
function placesHash(site: Site): Record<string, string> {
  const { storage, metadata } = places(site);
  const elsewhere = [storage.s3, metadata?.postgres];
  const trusted = authorities(site);
  if (elsewhere.every((place) => place === undefined) && Object.keys(trusted).length === 0) return {};
  const text = JSON.stringify([elsewhere, trusted]);
  return { [annotations.places]: createHash('sha256').update(text).digest('hex').slice(0, 16) };
}

function podSpec(site: Site): object {
  const { spec } = site;
  const pullSecrets = spec.image?.pullSecrets;
  return {
    serviceAccountName: site.names.serviceAccount,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: lingerSeconds(site) + drainSeconds + 20,
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
    ...spread(site),
    containers: [container(site)],
    volumes: volumes(site).map(({ volume }) => volume),
  };
}

/** As the spec says; else replicas are spread over zones and nodes as far as these go, and are never held back for it. */
function spread(site: Site): { topologySpreadConstraints?: object[] } {
  const labelSelector = { matchLabels: selectorLabels(site.name, 'registry') };
  const asked = site.spec.topologySpread ?? (site.shared ? usualSpread : []);
  if (asked.length === 0) return {};
  return { topologySpreadConstraints: asked.map((constraint) => ({ ...constraint, labelSelector })) };
}

const usualSpread = ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'].map((topologyKey) => ({
  maxSkew: 1,
  topologyKey,
  whenUnsatisfiable: 'ScheduleAnyway',
  // Of one revision: the pods that a roll-out is about to remove do not count.
  matchLabelKeys: ['pod-template-hash'],
}));

function container(site: Site): object {
  return {
    name: 'registry',
    image: site.image,
    imagePullPolicy: site.spec.image?.pullPolicy ?? 'IfNotPresent',
    args: ['serve', '--config', files.config],
    workingDir: site.volumeClaim === undefined ? paths.temporary : paths.data,
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
