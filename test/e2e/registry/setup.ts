/** A cluster with the operator in it, installed by the chart, and what tests of Registries ask of it. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { projectImage } from '../../../build/image.ts';
import { HttpKubeClient } from '../../../src/operator/kube/http-client.ts';
import { Transport } from '../../../src/operator/kube/transport.ts';
import type { RegistrySpec, RegistryStatus } from '../../../src/operator/registry/resource.ts';
import { connectionFromFile } from '../../integration/kube/setup.ts';
import { type AuditedWrite, writes } from '../cluster/audit.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { run } from '../cluster/command.ts';
import { up } from '../cluster/engine.ts';
import { helloImage } from '../cluster/images.ts';
import { HELM } from '../cluster/programs.ts';
import { goTool } from '../cluster/tools.ts';

export const operatorNamespace = 'ne-registry';
const chart = fileURLToPath(new URL('../../../charts/ne-registry', import.meta.url));
const cli = fileURLToPath(new URL('../../../bin/ne-cli.js', import.meta.url));

export interface Bed {
  readonly cluster: Cluster;
  readonly image: string;
  /** Applies JSON objects as a user does. */
  apply(...objects: object[]): Promise<void>;
  /** The object, or undefined where there is none. */
  read<T = KubeLike>(kind: string, name: string, namespace?: string): Promise<T | undefined>;
  /** Speaks to the API server as its administrator. */
  client(): HttpKubeClient;
  /** Installs or upgrades the chart with these values, and waits until an operator that was there before has gone. */
  install(values?: Record<string, string>): Promise<void>;
}

export interface KubeLike {
  metadata: {
    name: string;
    uid: string;
    resourceVersion: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: { kind: string }[];
    deletionTimestamp?: string;
  };
  data?: Record<string, string>;
}

export interface RegistryLike extends KubeLike {
  spec: RegistrySpec;
  status: RegistryStatus;
}

/** Brings the cluster `number` up and installs the operator of this checkout in it. */
export async function layBed(number: number): Promise<Bed> {
  const [cluster, image] = [await up(number), await projectImage()];
  await cluster.loadImage(image.archive);
  const bed: Bed = {
    cluster,
    image: image.reference,
    apply: async (...objects) => {
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
      await cluster.kubectl(['apply', '-f', '-'], { input });
    },
    read: async (kind, name, namespace) => {
      const where = namespace === undefined ? [] : ['-n', namespace];
      const got = await cluster.kubectl(['get', kind, name, ...where, '-o', 'json', '--ignore-not-found']);
      return got.trim() === '' ? undefined : JSON.parse(got);
    },
    client: () => new HttpKubeClient(new Transport(connectionFromFile(cluster.kubeconfig), { userAgent: 'test' })),
    install: (values = {}) =>
      install(cluster, { 'image.repository': image.repository, 'image.tag': image.tag, ...values }),
  };
  await bed.install();
  return bed;
}

async function install(cluster: Cluster, values: Record<string, string>): Promise<void> {
  const settings = Object.entries(values).flatMap(([key, value]) => ['--set-string', `${key}=${value}`]);
  const release = ['upgrade', '--install', 'ne-registry', chart, '-n', operatorNamespace, '--create-namespace'];
  await run(await goTool(HELM), [...release, ...settings, '--wait', '--timeout', '300s'], {
    env: { KUBECONFIG: cluster.kubeconfig },
  });
  // Helm waits for the new one alone. The one before has other settings, and leads until it has ended.
  await eventually('the operator of before to be gone', 120, async () => {
    const { items } = JSON.parse(await cluster.kubectl(['get', 'pods', '-n', operatorNamespace, '-o', 'json']));
    return items.every(({ metadata }: KubeLike) => metadata.deletionTimestamp === undefined);
  });
}

export function namespaceObject(name: string, labels: Record<string, string> = {}): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

export function registryObject(namespace: string, name: string, spec: Partial<RegistrySpec> = {}): object {
  return {
    apiVersion: 'ne-registry.io/v1alpha1',
    kind: 'Registry',
    metadata: { name, namespace },
    spec: { host: `${name}.${namespace}.example`, ...spec },
  };
}

/** Waits until `look` gives something; fails after `seconds` with what `look` last threw. */
export async function eventually<T>(
  what: string,
  seconds: number,
  look: () => Promise<T | undefined | false>,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`, { cause: last });
    await sleep(250);
  }
}

/** Waits for a condition of a Registry: its status and, where given, its reason. */
export async function condition(
  bed: Bed,
  [namespace, name]: readonly [string, string],
  [type, status, reason]: readonly [string, string, string?],
  seconds = 120,
): Promise<{ message: string; reason: string; registry: RegistryLike }> {
  let seen = '';
  try {
    return await eventually(`${namespace}/${name} ${type}=${status} ${reason ?? ''}`, seconds, async () => {
      const registry = await bed.read<RegistryLike>('registry', name, namespace);
      const found = registry?.status.conditions?.find((each) => each.type === type);
      seen = JSON.stringify(registry?.status.conditions);
      if (registry === undefined || found?.status !== status || (reason !== undefined && found.reason !== reason))
        return;
      return { message: found.message, reason: found.reason, registry };
    });
  } catch (error) {
    throw new Error(`${(error as Error).message}; conditions: ${seen}`, { cause: error });
  }
}

/** What a person needs to push: where the registry answers from here, whom to trust, and who they are. */
export interface Door {
  readonly authority: string;
  readonly env: Record<string, string>;
  readonly caFile: string;
  readonly password: string;
  close(): Promise<void>;
}

/** Waits until kube-proxy has taken up a node port: it hears of a pod that is ready when everybody does, and acts a moment later. */
export async function nodePortLeads(authority: string): Promise<void> {
  const [host = '', port] = authority.split(':');
  await eventually(`${authority} to lead somewhere`, 60, async () => {
    const socket = connect({ host, port: Number(port) });
    try {
      await once(socket, 'connect');
      return true;
    } finally {
      socket.destroy();
    }
  });
}

/** Opens the registry through its node port with the Secrets that its status names, and logs in. */
export async function openDoor(bed: Bed, namespace: string, name: string): Promise<Door> {
  const registry = await bed.read<RegistryLike>('registry', name, namespace);
  const secret = await bed.read<KubeLike>('secret', registry?.status.adminSecretName ?? '', namespace);
  const service = await bed.read<KubeLike & { spec: { ports: { nodePort: number }[] } }>(
    'service',
    `${name}-nodes`,
    namespace,
  );
  const folder = await mkdtemp(join(tmpdir(), 'ne-door-'));
  const caFile = join(folder, 'ca.crt');
  await writeFile(caFile, registry?.status.caBundle ?? '');
  const password = Buffer.from(secret?.data?.password ?? '', 'base64').toString();
  const door = {
    authority: `${bed.cluster.nodeIP}:${service?.spec.ports[0]?.nodePort}`,
    env: { DOCKER_CONFIG: folder },
    caFile,
    password,
    close: () => rm(folder, { recursive: true, force: true }),
  };
  await nodePortLeads(door.authority);
  const login = ['login', door.authority, '--username', 'admin', '--password-stdin', '--ca-file', caFile];
  await run(process.execPath, [cli, ...login], { env: door.env, input: password });
  return door;
}

/** Pushes a small image that runs a web server, under `repository:tag`. */
export async function pushHello(door: Door, repository: string): Promise<void> {
  const { archive } = await helloImage();
  await run(process.execPath, [cli, 'push', `${door.authority}/${repository}`, archive, '--ca-file', door.caFile], {
    env: door.env,
  });
}

/** Runs a pod from an image of the registry, pulled by the node under the registry's own name, and waits for it. */
export async function runPod(
  bed: Bed,
  door: Door,
  { host, repository }: { host: string; repository: string },
): Promise<void> {
  const namespace = `run-${randomBytes(4).toString('hex')}`;
  const auths = { [host]: { auth: Buffer.from(`admin:${door.password}`).toString('base64') } };
  await bed.apply(namespaceObject(namespace));
  await eventually('the default service account', 120, () => bed.read('serviceaccount', 'default', namespace));
  const image = `${host}/${repository}`;
  await bed.apply(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'pull', namespace },
      type: 'kubernetes.io/dockerconfigjson',
      stringData: { '.dockerconfigjson': JSON.stringify({ auths }) },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'hello', namespace },
      spec: {
        imagePullSecrets: [{ name: 'pull' }],
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'hello', image, imagePullPolicy: 'Always' }],
      },
    },
  );
  await eventually(`a pod from ${image}`, 240, async () => {
    const pod = await bed.read<{ status: { phase: string } }>('pod', 'hello', namespace);
    return pod?.status.phase === 'Running';
  });
  await bed.cluster.kubectl(['delete', 'namespace', namespace, '--wait=false']);
}

/** The operator's writes since then, without its lease. */
export async function operatorWrites(bed: Bed, since: Date): Promise<readonly AuditedWrite[]> {
  return await writes(bed.cluster.auditLog, { since, userAgent: 'ne-registry-operator', except: ['leases'] });
}

/** What the operator's metrics say: the sum of a counter over its labels that contain `label`. */
export async function operatorMetric(bed: Bed, name: string, label: string): Promise<number> {
  const path = `/api/v1/namespaces/${operatorNamespace}/services/ne-registry-metrics:management/proxy/metrics`;
  const text = await bed.cluster.kubectl(['get', '--raw', path]);
  return text
    .split('\n')
    .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
