/** The registry's pod, the same under a StatefulSet and a Deployment but for what it mounts and how it spreads; and its workers'. */
import { createHash } from 'node:crypto';
import { annotations, type RegistryComponent, selectorLabels } from '../names.ts';
import { files, paths, ports, registryUser } from '../paths.ts';
import { owned, type Site } from '../site.ts';
import { drainSeconds, lingerSeconds } from './bootstrap.ts';
import { authorities, places } from './places.ts';
import { volumes } from './volumes.ts';

/** The pod of a Registry, the same in a StatefulSet and in a Deployment; or that of its workers. */
export function podTemplate(site: Site, component: RegistryComponent): object {
  return { metadata: podMetadata(site, component), spec: podSpec(site, component) };
}

function podMetadata(site: Site, component: RegistryComponent): object {
  const { podLabels, podAnnotations } = site.spec;
  const { labels } = owned(site, site.name, component);
  return {
    labels: { ...podLabels, ...labels },
    annotations: { ...podAnnotations, ...placesHash(site), 'kubectl.kubernetes.io/default-container': component },
  };
}

/**
 * A running registry does not move to other stores, nor does it take work up or leave it to others: pods are replaced when what
 * says so changes. Where all is on the pod's own volume nothing of it can. The place for backups may change under a running registry.
 */
function placesHash(site: Site): Record<string, string> {
  const { storage, metadata } = places(site);
  const elsewhere = [storage.s3, metadata?.postgres];
  const trusted = authorities(site);
  if (elsewhere.every((place) => place === undefined) && Object.keys(trusted).length === 0) return {};
  const text = JSON.stringify([elsewhere, trusted, ...(site.separateWorkers ? ['Separate'] : [])]);
  return { [annotations.places]: createHash('sha256').update(text).digest('hex').slice(0, 16) };
}

function podSpec(site: Site, component: RegistryComponent): object {
  const { spec } = site;
  const serves = component === 'registry';
  const pullSecrets = spec.image?.pullSecrets;
  return {
    serviceAccountName: site.names.serviceAccount,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: (serves ? lingerSeconds(site) : 0) + drainSeconds + 20,
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
    ...(serves ? spread(site) : {}),
    containers: [container(site, component)],
    volumes: volumes(site, component).map(({ volume }) => volume),
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

function container(site: Site, component: RegistryComponent): object {
  const serves = component === 'registry';
  return {
    name: component,
    image: site.image,
    imagePullPolicy: site.spec.image?.pullPolicy ?? 'IfNotPresent',
    args: ['serve', '--config', serves ? files.config : files.workersConfig],
    workingDir: site.volumeClaim === undefined ? paths.temporary : paths.data,
    ports: [
      ...(serves ? [{ name: 'api', containerPort: ports.api, protocol: 'TCP' }] : []),
      { name: 'management', containerPort: ports.management, protocol: 'TCP' },
    ],
    // Opening a large store after a crash takes its time; ten minutes, then the kubelet tries anew.
    startupProbe: probe('/healthz', { periodSeconds: 1, failureThreshold: 600 }),
    livenessProbe: probe('/healthz', { periodSeconds: 15, timeoutSeconds: 10, failureThreshold: 4 }),
    readinessProbe: probe('/readyz', { periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2 }),
    resources: resources(site, component),
    // What a registry that cannot start says last is what the operator shows in a condition.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: volumes(site, component).map(({ volume, path, readOnly }) => ({
      name: volume.name,
      mountPath: path,
      ...(readOnly ? { readOnly } : {}),
    })),
  };
}

/** Copying many large layers at once takes more than serving. */
const usualMemory = { registry: '128Mi', workers: '192Mi' };

function resources({ spec }: Site, component: RegistryComponent): object {
  const { requests, limits } = (component === 'workers' ? spec.workers?.resources : undefined) ?? spec.resources ?? {};
  return {
    requests: { cpu: '100m', memory: usualMemory[component], ...requests },
    ...(limits === undefined ? {} : { limits }),
  };
}

function probe(path: string, timing: Record<string, number>): object {
  return { httpGet: { path, port: 'management' }, ...timing };
}
