import { RegistryClient, type RegistryOptions } from '../../../src/transfer/registry/client.ts';
import { type Peer, startDistribution } from '../../programs/distribution.ts';
import { startDockerRegistry } from '../../programs/docker-registry.ts';
import { startServer } from '../registry/server.ts';

export type { Peer } from '../../programs/distribution.ts';

/** Gives up soon: a test waits for what comes after. */
export const retry = { attempts: 4, baseMs: 10, capMs: 50, maxRetryAfterMs: 5000 };

export async function startOurs(): Promise<Peer> {
  const server = await startServer();
  return {
    host: server.host,
    login: { username: server.user, password: server.password },
    stop: async () => await server.discard(),
  };
}

/** Every registry that images come from and go to, by the name of its program. */
export const registries: Readonly<Record<string, () => Promise<Peer>>> = {
  ours: startOurs,
  distribution: async () => await startDistribution(),
  'distribution with passwords': async () => await startDistribution({ auth: 'basic' }),
  'distribution with tokens': async () => await startDistribution({ auth: 'token' }),
  "Debian's docker-registry": async () => await startDockerRegistry(),
  "Debian's docker-registry with tokens": async () => await startDockerRegistry({ auth: 'token' }),
};

/** A client of a registry, at `host` where it is reached through something. */
export function clientOf(peer: Peer, host: string = peer.host, options: Partial<RegistryOptions> = {}): RegistryClient {
  return new RegistryClient(host, { credentials: async () => peer.login, retry, ...options });
}
