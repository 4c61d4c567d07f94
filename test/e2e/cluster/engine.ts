import { downBuilt, remainsOfBuilt, runningBuilt, upBuilt } from './built.ts';
import type { Cluster } from './cluster.ts';

export async function engine(): Promise<'kind' | 'built'> {
  return 'built';
}
export async function up(number: number): Promise<Cluster> {
  return await upBuilt(number);
}
export async function down(number: number): Promise<void> {
  await downBuilt(number);
}
export async function running(number: number): Promise<Cluster | undefined> {
  return await runningBuilt(number);
}
export async function remains(number: number): Promise<readonly string[]> {
  return await remainsOfBuilt(number);
}
