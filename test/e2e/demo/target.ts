import { existsSync } from 'node:fs';
import { attempt, type CommandResult } from '../cluster/command.ts';
import { down, running, up } from '../cluster/engine.ts';
import { HELM, KUBE } from '../cluster/programs.ts';
import { goTool } from '../cluster/tools.ts';

/** The demo's own cluster; tests use others. */
export const DEMO_CLUSTER = 7;

/** The cluster that the demo works on. */
export interface Target {
  readonly kubeconfig: string;
  /** What to say of it, e.g. "your cluster (context kind-x)". */
  readonly title: string;
  /** Whether the demo made the cluster, and so removes it. */
  readonly own: boolean;
  /** Imports an image archive into the nodes; undefined where the demo has no way to. */
  readonly loadImage: ((archive: string) => Promise<void>) | undefined;
  kubectl(args: readonly string[], input?: string): Promise<CommandResult>;
  helm(args: readonly string[]): Promise<CommandResult>;
}

/** The cluster of `KUBECONFIG` where that is set, else one of the demo's own, started if it is not running. */
export async function target(): Promise<Target> {
  const kubeconfig = process.env.KUBECONFIG;
  return kubeconfig ? await givenCluster(kubeconfig) : await ownCluster();
}

/** As `target`, but starts nothing. */
export async function existingTarget(): Promise<Target | undefined> {
  if (process.env.KUBECONFIG) return await target();
  return (await running(DEMO_CLUSTER)) === undefined ? undefined : await ownCluster();
}

/** Removes the demo's own cluster and what an interrupted start left of it. */
export async function removeOwnCluster(): Promise<void> {
  await down(DEMO_CLUSTER);
}

async function ownCluster(): Promise<Target> {
  const cluster = await up(DEMO_CLUSTER);
  return {
    ...(await programs(cluster.kubeconfig)),
    title: `the demo's own cluster (number ${DEMO_CLUSTER}, ${cluster.engine})`,
    own: true,
    loadImage: (archive) => cluster.loadImage(archive),
  };
}

async function givenCluster(kubeconfig: string): Promise<Target> {
  const [file = ''] = kubeconfig.split(':');
  if (!existsSync(file)) throw new Error(`KUBECONFIG names ${file}, which does not exist: correct or unset it`);
  const base = await programs(kubeconfig);
  const context = (await base.kubectl(['config', 'current-context'])).stdout.trim();
  return {
    ...base,
    title: `your cluster (context ${context})`,
    own: false,
    loadImage: await kindLoader(context),
  };
}

/** kind copies archives to its nodes; other clusters have no common way. */
async function kindLoader(context: string): Promise<Target['loadImage']> {
  if (!context.startsWith('kind-')) return undefined;
  if ((await attempt('kind', ['version']).catch(() => undefined))?.code !== 0) return undefined;
  return async (archive) => {
    const loaded = await attempt('kind', ['load', 'image-archive', archive, '--name', context.slice('kind-'.length)]);
    if (loaded.code !== 0) throw new Error(`kind could not load the image: ${loaded.stderr.trim()}`);
  };
}

async function programs(kubeconfig: string): Promise<Pick<Target, 'kubeconfig' | 'kubectl' | 'helm'>> {
  const [kube, helm] = [await kubectlProgram(), await goTool(HELM)];
  const env = { KUBECONFIG: kubeconfig };
  return {
    kubeconfig,
    kubectl: (args, input) => attempt(kube[0], [...kube.slice(1), ...args], { env, ...(input ? { input } : {}) }),
    helm: (args) => attempt(helm, args, { env }),
  };
}

async function kubectlProgram(): Promise<readonly [string, ...string[]]> {
  const found = await attempt('kubectl', ['version', '--client']).catch(() => undefined);
  return found?.code === 0 ? ['kubectl'] : [await goTool(KUBE), 'kubectl'];
}
