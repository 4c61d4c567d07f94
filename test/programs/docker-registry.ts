import { ensurePackages } from '../e2e/cluster/packages.ts';
import { type DistributionOptions, type Peer, startDistribution } from './distribution.ts';

/** Starts Debian's docker-registry (distribution 2.8), which is what stands in many cellars. */
export async function startDockerRegistry(options: Omit<DistributionOptions, 'program'> = {}): Promise<Peer> {
  await ensurePackages(['docker-registry']);
  return await startDistribution({ ...options, program: '/usr/bin/docker-registry' });
}
