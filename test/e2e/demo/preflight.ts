import { kubectl, Obstacle, read } from './ask.ts';
import type { Target } from './target.ts';

interface Node {
  metadata: { name: string };
  status: { nodeInfo: { containerRuntimeVersion: string }; images?: { names: string[] }[] };
}

interface StorageClass {
  metadata: { name: string; annotations?: Record<string, string> };
}

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

/**
 * What a cluster must have for the demo, asked before anything is made in it. Throws an Obstacle that names the node,
 * class or right that is missing.
 */
export async function preflight(on: Target): Promise<void> {
  const reachable = await on.kubectl(['version', '--request-timeout=10s']);
  if (reachable.code !== 0) throw new Obstacle(`${on.title} does not answer: ${reachable.stderr.trim()}`);
  await mayInstall(on);
  for (const node of await nodes(on)) nodeCanBeConfigured(node);
  await hasDefaultStorage(on);
  await allowsHostPath(on);
}

/** The cluster's nodes; an Obstacle when there is none. */
async function nodes(on: Target): Promise<Node[]> {
  const list = await read<{ items: Node[] }>(on, 'nodes');
  if (list === undefined || list.items.length === 0) throw new Obstacle(`${on.title} has no node`);
  return list.items;
}

async function mayInstall(on: Target): Promise<void> {
  const needed = [
    ['create', 'customresourcedefinitions.apiextensions.k8s.io'],
    ['create', 'clusterroles.rbac.authorization.k8s.io'],
    ['create', 'namespaces'],
  ] as const;
  for (const [verb, resource] of needed) {
    if ((await on.kubectl(['auth', 'can-i', verb, resource, '--all-namespaces'])).stdout.trim() === 'yes') continue;
    throw new Obstacle(`You may not ${verb} ${resource} in ${on.title}: use an administrator's kubeconfig`);
  }
}

/** `nodeAccess: Configure` speaks containerd's language; another runtime would neither find nor trust the registry. */
function nodeCanBeConfigured({ metadata, status }: Node): void {
  const runtime = status.nodeInfo.containerRuntimeVersion;
  if (runtime.startsWith('containerd://')) return;
  throw new Obstacle(
    `Node ${metadata.name} runs ${runtime}, and the demo can only teach containerd to reach and trust a registry. ` +
      'With another runtime give the registry a host name that the nodes resolve, and a certificate that they trust.',
  );
}

async function hasDefaultStorage(on: Target): Promise<void> {
  const classes = (await read<{ items: StorageClass[] }>(on, 'storageclasses'))?.items ?? [];
  if (classes.some(({ metadata }) => metadata.annotations?.[DEFAULT_CLASS] === 'true')) return;
  const names = classes.map(({ metadata }) => metadata.name).join(', ') || 'none';
  throw new Obstacle(
    `${on.title} has no default StorageClass (there are: ${names}): mark one with ${DEFAULT_CLASS}=true`,
  );
}

/** Pod Security or another admission may forbid what `nodeAccess: Configure` needs; a dry run tells. */
async function allowsHostPath(on: Target): Promise<void> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'ne-registry-preflight' },
    spec: {
      automountServiceAccountToken: false,
      containers: [{ name: 'x', image: 'x', volumeMounts: [{ name: 'certs', mountPath: '/x' }] }],
      volumes: [{ name: 'certs', hostPath: { path: '/etc/containerd/certs.d', type: 'DirectoryOrCreate' } }],
    },
  };
  const answer = await on.kubectl(['create', '--dry-run=server', '-f', '-'], JSON.stringify(pod));
  // A namespace that is just being set up has no account yet; that says nothing about volumes.
  if (answer.code === 0 || /serviceaccount .* not found/.test(answer.stderr)) return;
  throw new Obstacle(
    `${on.title} takes no pod with a hostPath volume, and without one its nodes cannot be told of the registry: ${answer.stderr.trim()}`,
  );
}

/** Throws unless every node has the image already: there is no registry it could come from yet. */
export async function everyNodeHas(on: Target, image: string): Promise<void> {
  for (const { metadata, status } of await nodes(on)) {
    const names = (status.images ?? []).flatMap((entry) => entry.names ?? []);
    if (names.some((name) => name === image || name === `docker.io/${image}`)) continue;
    throw new Obstacle(
      `Node ${metadata.name} cannot get the operator's image ${image}: push it to a registry that the nodes pull from and ` +
        'set NE_REGISTRY_IMAGE to its name there, or load it into every node (the archive is what `make image` prints).',
    );
  }
}

const PROBE = 'ne-registry-containerd';
/** From this version on containerd reads certs.d without being told to. */
const READS_UNASKED = [2, 2] as const;

/**
 * Whether containerd of every node reads `certs.d`: looks at its configuration through a pod on each node that is old
 * enough to matter. A configuration in another place proves nothing, so it passes.
 */
export async function nodesReadHostFiles(on: Target, namespace: string, image: string): Promise<void> {
  for (const { metadata, status } of await nodes(on)) {
    const version = /containerd:\/\/v?(\d+)\.(\d+)/.exec(status.nodeInfo.containerRuntimeVersion)?.slice(1).map(Number);
    const [major = 0, minor = 0] = version ?? [];
    if (major > READS_UNASKED[0] || (major === READS_UNASKED[0] && minor >= READS_UNASKED[1])) continue;
    const said = await askNode(on, { namespace, image, node: metadata.name });
    if (said !== 'unset') continue;
    throw new Obstacle(
      `containerd on node ${metadata.name} does not read /etc/containerd/certs.d, so it could neither reach nor trust the ` +
        'registry: set config_path in its /etc/containerd/config.toml (kind-config.yaml shows how) and restart it.',
    );
  }
}

const SCRIPT = `
const fs = require('node:fs');
const file = '/host/config.toml';
const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
console.log(text === undefined || /^\\s*imports\\s*=/m.test(text) ? 'unknown' : /^\\s*config_path\\s*=\\s*["'].+certs\\.d/m.test(text) ? 'set' : 'unset');
`;

async function askNode(on: Target, at: { namespace: string; image: string; node: string }): Promise<string> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: PROBE, namespace: at.namespace },
    spec: {
      nodeName: at.node,
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      tolerations: [{ operator: 'Exists' }],
      containers: [
        {
          name: 'look',
          image: at.image,
          command: ['node', '-e', SCRIPT],
          securityContext: { runAsUser: 0, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          volumeMounts: [{ name: 'containerd', mountPath: '/host', readOnly: true }],
        },
      ],
      volumes: [{ name: 'containerd', hostPath: { path: '/etc/containerd' } }],
    },
  };
  await kubectl(on, ['delete', 'pod', PROBE, '-n', at.namespace, '--ignore-not-found', '--wait']);
  await kubectl(on, ['create', '-f', '-'], JSON.stringify(pod));
  const wait = [
    'wait',
    '--for=jsonpath={.status.phase}=Succeeded',
    `pod/${PROBE}`,
    '-n',
    at.namespace,
    '--timeout=60s',
  ];
  const ended = await on.kubectl(wait);
  const said = ended.code === 0 ? (await kubectl(on, ['logs', PROBE, '-n', at.namespace])).trim() : 'unknown';
  await kubectl(on, ['delete', 'pod', PROBE, '-n', at.namespace, '--grace-period=0', '--force', '--ignore-not-found']);
  return said;
}
