import { downBuilt, prepareBuilt, remainsOfBuilt, runningBuilt, upBuilt } from './built.ts';
import type { Cluster } from './cluster.ts';
import { type ContainerEngine, containerEngine, downKind, runningKind, upKind } from './kind.ts';
import { KIND } from './programs.ts';
import { goTool } from './tools.ts';

/** What runs the cluster: kind where a container engine runs, else we build one; `NE_CLUSTER` decides by hand. */
export async function engine(): Promise<'kind' | 'built'> {
  return (await kindEngine()) === undefined ? 'built' : 'kind';
}

/** Installs and builds all that `up` needs, so that it takes seconds then; for a CI step of its own. */
export async function prepare(): Promise<void> {
  if ((await kindEngine()) === undefined) await prepareBuilt();
  else await goTool(KIND);
}

/** Brings cluster `number` up and answers when pods run on it; at once when it is up already. */
export async function up(number: number): Promise<Cluster> {
  const kind = await kindEngine();
  return kind === undefined ? await upBuilt(number) : await upKind(number, kind);
}

/** Removes cluster `number` and all that an interrupted run left of it; does nothing when there is nothing. */
export async function down(number: number): Promise<void> {
  const kind = await kindEngine();
  if (kind === undefined) await downBuilt(number);
  else await downKind(number, kind);
}

/** The cluster, if it is up. */
export async function running(number: number): Promise<Cluster | undefined> {
  const kind = await kindEngine();
  return kind === undefined ? await runningBuilt(number) : await runningKind(number, kind);
}

/** What there is of cluster `number` on this machine, in words. */
export async function remains(number: number): Promise<readonly string[]> {
  const kind = await kindEngine();
  if (kind === undefined) return await remainsOfBuilt(number);
  return (await runningKind(number, kind)) === undefined ? [] : [`kind cluster ${number}`];
}

async function kindEngine(): Promise<ContainerEngine | undefined> {
  const wish = process.env.NE_CLUSTER;
  if (wish === 'built') return undefined;
  if (wish !== undefined && wish !== '' && wish !== 'kind') throw new Error(`NE_CLUSTER is kind or built, not ${wish}`);
  const found = await containerEngine();
  if (wish === 'kind' && found === undefined)
    throw new Error('NE_CLUSTER=kind, but neither docker nor podman can run it');
  return found;
}
