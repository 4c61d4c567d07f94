import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCgroups, present, removeCgroups } from './cgroups.ts';
import { apply, type Cluster, eventually, kubectlOf } from './cluster.ts';
import { progress } from './command.ts';
import { importImage, startContainerd } from './containerd.ts';
import { startApiServer, startControllers } from './control-plane.ts';
import { dnsObjects } from './dns.ts';
import { corednsImage, pauseImage } from './images.ts';
import { startKubelet } from './kubelet.ts';
import { type Layout, layout, NODE_CERTS_DIR, stateRoot } from './layout.ts';
import { withLock } from './lock.ts';
import { createNetwork, networkRemains, removeNetwork } from './network.ts';
import { endedPrograms, nodeRuns, startNode, stopNode } from './node.ts';
import { CLUSTER_PACKAGES, ensurePackages } from './packages.ts';
import { createPki } from './pki.ts';
import { KUBE, PAUSE, PROVISIONER } from './programs.ts';
import { startProvisioner, storageObjects } from './storage.ts';
import { goTool } from './tools.ts';

/** The programs and images of a cluster, made before it starts. */
export interface Parts {
  readonly kube: string;
  readonly init: string;
  readonly provisioner: string;
  readonly pause: Awaited<ReturnType<typeof pauseImage>>;
  readonly coredns: Awaited<ReturnType<typeof corednsImage>>;
}

/** Brings cluster `number` up; answers at once when it runs already, and clears what an interrupted run left. */
export async function upBuilt(number: number): Promise<Cluster> {
  const at = layout(number);
  const parts = await prepareBuilt();
  const cluster = describe(at, parts.kube);
  await withLock(lockFile(at), async () => {
    if (await isHealthy(at, parts)) return;
    await clear(at);
    await bringUp(at, parts, cluster);
  });
  return cluster;
}

/** Removes cluster `number` and everything that belongs to it, also when only half of it is there. */
export async function downBuilt(number: number): Promise<void> {
  const at = layout(number);
  requireRoot();
  await withLock(lockFile(at), async () => await clear(at));
}

/** What of cluster `number` is on this machine, in words; empty when it is down and nothing is left of it. */
export async function remainsOfBuilt(number: number): Promise<readonly string[]> {
  const at = layout(number);
  const cgroups = (await present(at)).map((path) => `cgroup ${path}`);
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').flatMap((line) => {
    const point = line.split(' ')[1];
    return point?.startsWith(`${at.dir}/`) === true ? [`mount ${point}`] : [];
  });
  const running = (await nodeRuns(at)) ? ['its processes'] : [];
  const state = existsSync(at.dir) ? [`state folder ${at.dir}`] : [];
  return [...running, ...(await networkRemains(at)), ...mounts, ...cgroups, ...state];
}

/** The cluster, if it runs. */
export async function runningBuilt(number: number): Promise<Cluster | undefined> {
  const at = layout(number);
  if (!existsSync(readyFile(at)) || !(await nodeRuns(at))) return undefined;
  return describe(at, await goTool(KUBE));
}

/** Installs the packages and builds the programs and images that a cluster takes; quick when they are there. */
export async function prepareBuilt(): Promise<Parts> {
  requireRoot();
  await ensurePackages(CLUSTER_PACKAGES);
  // One after the other: each build uses every processor by itself.
  const kube = await goTool(KUBE);
  const init = await goTool(PAUSE);
  const provisioner = await goTool(PROVISIONER);
  return { kube, init, provisioner, pause: await pauseImage(), coredns: await corednsImage() };
}

async function bringUp(at: Layout, parts: Parts, cluster: Cluster): Promise<void> {
  const started = Date.now();
  progress(`starting cluster ${at.number}`);
  await mkdir(at.logs, { recursive: true });
  await mkdir(join(at.dir, 'bin'));
  await symlink(parts.kube, join(at.dir, 'bin', 'kubectl'));
  await Promise.all([createPki(at), createCgroups(at), createNetwork(at).then(() => startNode(at, parts.init))]);
  await Promise.all([startRuntime(at, parts), startApiServer(at, parts.kube)]);
  await startControllers(at, parts.kube);
  await startProvisioner(at, parts.provisioner);
  await startKubelet(at, parts.kube);
  await apply(cluster, [...dnsObjects(parts.coredns.reference), ...storageObjects()]);
  await eventually(cluster, ['wait', '--for=condition=Ready', `node/${at.nodeName}`, '--timeout=60s'], 180);
  const rollout = ['rollout', 'status', '-n', 'kube-system', 'deployment/coredns', '--timeout=60s'];
  await eventually(cluster, rollout, 180);
  await eventually(cluster, ['get', 'serviceaccount', 'default', '-n', 'default'], 120);
  await writeFile(readyFile(at), fingerprint(parts));
  progress(
    `cluster ${at.number} is ready after ${((Date.now() - started) / 1000).toFixed(1)} s: node ${at.nodeIP}, kubeconfig ${at.kubeconfig}`,
  );
}

async function startRuntime(at: Layout, parts: Parts): Promise<void> {
  await startContainerd(at, parts.pause.reference);
  for (const image of [parts.pause, parts.coredns]) await importImage(at, image.archive);
}

/** Ends the processes first: the rest is in use until then. Each step does nothing when there is nothing to do. */
async function clear(at: Layout): Promise<void> {
  await rm(readyFile(at), { force: true });
  await stopNode(at);
  await removeNetwork(at);
  await removeCgroups(at);
  await rm(at.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

async function isHealthy(at: Layout, parts: Parts): Promise<boolean> {
  const ready = await readFile(readyFile(at), 'utf8').catch(() => undefined);
  if (ready !== fingerprint(parts) || !(await nodeRuns(at)) || (await endedPrograms(at)).length > 0) return false;
  const path = '{.status.conditions[?(@.type=="Ready")].status}';
  const args = ['get', 'node', at.nodeName, '-o', `jsonpath=${path}`, '--request-timeout=5s'];
  return (await describe(at, parts.kube).tryKubectl(args)).stdout === 'True';
}

function describe(at: Layout, kube: string): Cluster {
  return {
    number: at.number,
    engine: 'built',
    kubeconfig: at.kubeconfig,
    nodeIP: at.nodeIP,
    nodeName: at.nodeName,
    certsDir: NODE_CERTS_DIR,
    auditLog: at.auditLog,
    binDir: join(at.dir, 'bin'),
    ...kubectlOf(kube, at),
    loadImage: async (archive) => await importImage(at, archive),
    down: async () => await downBuilt(at.number),
  };
}

/** A cluster that was started from other programs is not the one that is asked for. */
function fingerprint(parts: Parts): string {
  return [parts.kube, parts.init, parts.provisioner, parts.pause.digest, parts.coredns.digest].join('\n');
}

function readyFile(at: Layout): string {
  return join(at.dir, 'ready');
}

function lockFile(at: Layout): string {
  return join(stateRoot(), `.c${at.number}.lock`);
}

function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new Error('the test cluster makes namespaces and cgroups: run it as root');
}
