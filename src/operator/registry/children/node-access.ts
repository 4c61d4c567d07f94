import type { KubeObject } from '../../kube/object.ts';
import { selectorLabels } from '../names.ts';
import { type Site, unowned } from '../site.ts';

export const defaultConfigPath = '/etc/containerd/certs.d';
const mounted = '/host/certs.d';
const bundlePath = '/etc/ne-registry/ca';
const statusPort = 8081;

export interface NodeAccess {
  /** Port on every node's address that leads to the registry; undefined where its certificate is not for them. */
  readonly nodePort: number | undefined;
  /** Whether there is a bundle that nodes must learn to trust. */
  readonly trusted: boolean;
}

/**
 * One agent on every node that tells containerd how to reach and trust the registry. The one pod outside the restricted
 * profile: it writes in a folder of the host, which is root's. Not owned by the Registry: the operator removes it when
 * its pods have cleaned up.
 */
export function renderNodeAccess(site: Site, access: NodeAccess): KubeObject {
  const metadata = unowned(site, site.names.nodeAccess, 'node-access');
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata,
    spec: {
      selector: { matchLabels: selectorLabels(site.name, 'node-access') },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '100%' } },
      revisionHistoryLimit: 3,
      template: { metadata: { labels: metadata.labels }, spec: podSpec(site, access) },
    },
  };
}

/**
 * The same DaemonSet with the task to take back what it wrote. It is made from the one that is there, since its Registry
 * may be gone, and needs nothing that goes with that.
 */
export function renderRemoval(live: KubeObject): KubeObject {
  const spec = structuredClone(live.spec) as DaemonSetSpec;
  const pod = spec.template.spec;
  pod.volumes = pod.volumes.filter(({ name }) => name === 'certs-d');
  for (const each of pod.containers) {
    each.volumeMounts = each.volumeMounts.filter(({ name }) => name === 'certs-d');
    each.args = [...each.args.filter((arg) => arg !== '--remove'), '--remove'];
  }
  const { name, namespace, labels } = live.metadata;
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
  };
  return { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec };
}

interface DaemonSetSpec {
  template: {
    spec: { volumes: { name: string }[]; containers: { args: string[]; volumeMounts: { name: string }[] }[] };
  };
}

function podSpec(site: Site, access: NodeAccess): object {
  const pullSecrets = site.spec.image?.pullSecrets;
  const hostPath = site.spec.nodeAccess?.configPath ?? defaultConfigPath;
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 5,
    // Every node that runs pods pulls images, whatever its taints.
    tolerations: [{ operator: 'Exists' }],
    securityContext: { runAsUser: 0, runAsGroup: 0, seccompProfile: { type: 'RuntimeDefault' } },
    ...(pullSecrets?.length ? { imagePullSecrets: pullSecrets } : {}),
    containers: [container(site, access)],
    volumes: [
      { name: 'certs-d', hostPath: { path: hostPath, type: 'DirectoryOrCreate' } },
      ...(access.trusted ? [{ name: 'ca', configMap: { name: site.names.bundle } }] : []),
    ],
  };
}

function container(site: Site, access: NodeAccess): object {
  const { nodePort, trusted } = access;
  return {
    name: 'node-agent',
    image: site.image,
    imagePullPolicy: site.spec.image?.pullPolicy ?? 'IfNotPresent',
    args: [
      'node-agent',
      ...['--owner', `${site.namespace}/${site.name}`],
      ...['--directory', mounted],
      ...['--server', site.url],
      ...(nodePort === undefined ? [] : ['--node-port', String(nodePort)]),
      ...(trusted ? ['--ca', `${bundlePath}/ca.crt`] : []),
      ...['--listen', `:${statusPort}`],
    ],
    env: [{ name: 'NODE_IP', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } }],
    ports: [{ name: 'status', containerPort: statusPort, protocol: 'TCP' }],
    readinessProbe: { httpGet: { path: '/readyz', port: 'status' }, periodSeconds: 2, failureThreshold: 2 },
    resources: { requests: { cpu: '5m', memory: '48Mi' } },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'certs-d', mountPath: mounted },
      ...(trusted ? [{ name: 'ca', mountPath: bundlePath, readOnly: true }] : []),
    ],
  };
}
