import { fileURLToPath } from 'node:url';
import { projectImage } from '../../../build/image.ts';
import { eventually, kubectl, Obstacle, read } from './ask.ts';
import { everyNodeHas } from './preflight.ts';
import type { Target } from './target.ts';

export const RELEASE = 'ne-registry';
export const NAMESPACE = 'ne-registry';
const CHART = fileURLToPath(new URL('../../../charts/ne-registry', import.meta.url));

interface Deployment {
  metadata: { generation: number };
  spec: { replicas: number; template: { spec: { containers: { image: string }[] } } };
  status?: { observedGeneration?: number; availableReplicas?: number; updatedReplicas?: number };
}

/**
 * Makes sure that nodes have the operator's image, from `NE_REGISTRY_IMAGE` where that is set, else built from this
 * checkout and loaded. Gives the reference.
 */
export async function provideImage(on: Target): Promise<string> {
  const given = process.env.NE_REGISTRY_IMAGE;
  if (given) return given;
  const image = await projectImage();
  if ((await runningImage(on)) === image.reference) return image.reference;
  if (on.loadImage === undefined) await everyNodeHas(on, image.reference);
  else await on.loadImage(image.archive);
  return image.reference;
}

async function runningImage(on: Target): Promise<string | undefined> {
  const deployment = await read<Deployment>(on, `deployments.apps/${RELEASE}`, NAMESPACE);
  if (deployment === undefined || !isAvailable(deployment)) return undefined;
  return deployment.spec.template.spec.containers[0]?.image;
}

/** Installs or upgrades the chart, unless what it would install is what is there. Gives whether it did anything. */
export async function installChart(on: Target, image: string): Promise<boolean> {
  const values = ['--set-string', imageValues(image)];
  const version = ['--kube-version', await kubernetesVersion(on)];
  const wanted = await on.helm(['template', RELEASE, CHART, '--namespace', NAMESPACE, ...version, ...values]);
  if (wanted.code !== 0) throw new Obstacle(`helm template: ${wanted.stderr.trim()}`);
  const status = await on.helm(['status', RELEASE, '--namespace', NAMESPACE, '-o', 'json']);
  const deployed = status.code === 0 && JSON.parse(status.stdout).info.status === 'deployed';
  const current = deployed ? await on.helm(['get', 'manifest', RELEASE, '--namespace', NAMESPACE]) : undefined;
  if (current?.code === 0 && current.stdout.trim() === wanted.stdout.trim()) return false;
  const args = ['upgrade', '--install', RELEASE, CHART, '--namespace', NAMESPACE, '--create-namespace', ...values];
  const installed = await on.helm(args);
  if (installed.code !== 0) throw new Obstacle(`helm upgrade --install: ${installed.stderr.trim()}`);
  return true;
}

/** `helm template` does not ask the cluster, and takes an old version for granted. */
async function kubernetesVersion(on: Target): Promise<string> {
  const said = JSON.parse(await kubectl(on, ['version', '-o', 'json'])) as { serverVersion: { gitVersion: string } };
  return said.serverVersion.gitVersion;
}

/** `repository:tag` or `repository@digest` as the chart's values. */
function imageValues(image: string): string {
  const match = /^(?<repository>[^@]+?)(?::(?<tag>[^:@/]+))?(?:@(?<digest>.+))?$/.exec(image);
  const { repository = image, tag = '', digest = '' } = match?.groups ?? {};
  return `image.repository=${repository},image.tag=${tag},image.digest=${digest}`;
}

/** Waits until the operator runs; an Obstacle says what its pods say otherwise. */
export async function operatorRuns(on: Target): Promise<void> {
  const ready = await eventually(300, async () => {
    const deployment = await read<Deployment>(on, `deployments.apps/${RELEASE}`, NAMESPACE);
    return deployment !== undefined && isAvailable(deployment) ? true : undefined;
  });
  if (ready) return;
  const pods = await kubectl(on, ['get', 'pods', '-n', NAMESPACE, '-o', 'wide']);
  const logs = await on.kubectl(['logs', '-n', NAMESPACE, `deployment/${RELEASE}`, '--tail=5']);
  throw new Obstacle(`The operator does not start.\n${pods}${logs.stdout}${logs.stderr}`);
}

function isAvailable({ metadata, spec, status }: Deployment): boolean {
  return (
    status?.observedGeneration === metadata.generation &&
    status.updatedReplicas === spec.replicas &&
    status.availableReplicas === spec.replicas
  );
}

/** Uninstalls the chart; the definitions go too unless somebody else has resources of them. */
export async function uninstallChart(on: Target): Promise<string[]> {
  const removed = await on.helm(['uninstall', RELEASE, '--namespace', NAMESPACE, '--wait', '--ignore-not-found']);
  if (removed.code !== 0) throw new Obstacle(`helm uninstall: ${removed.stderr.trim()}`);
  await kubectl(on, ['delete', 'namespace', NAMESPACE, '--ignore-not-found', '--wait']);
  return await removeDefinitions(on);
}

/** Gives the names of the definitions that stay because they are in use. */
async function removeDefinitions(on: Target): Promise<string[]> {
  const kept: string[] = [];
  for (const kind of ['registries', 'replicationrules', 'retentionpolicies']) {
    const name = `${kind}.ne-registry.io`;
    const inUse = await read<{ items: unknown[] }>(on, name, undefined);
    const others = await on.kubectl(['get', name, '--all-namespaces', '-o', 'name']);
    if (inUse !== undefined && others.stdout.trim() !== '') kept.push(name);
    else await kubectl(on, ['delete', 'crd', name, '--ignore-not-found', '--wait']);
  }
  return kept;
}
