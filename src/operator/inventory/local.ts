/** The Registries of this cluster, which hear of it as `local`. */
import { clustersOf, localCluster, reportInterval } from '../registry/in-use.ts';
import type { RegistryResource } from '../registry/resource.ts';
import { describe } from '../registry-client/client.ts';
import type { ClientOf } from '../registry-client/clients.ts';
import type { Destination } from './deliveries.ts';

/** How long a registry may take over a report of many megabytes, milliseconds. */
export const sendWithinMs = 30_000;

/** Those whose `inUse` counts on this cluster, also while they are suspended: they go on serving, and expiring. */
export function localDestinations(registries: readonly RegistryResource[], clientOf: ClientOf): Destination[] {
  return registries
    .filter(({ metadata, spec }) => metadata.deletionTimestamp === undefined && clustersOf(spec).includes(localCluster))
    .map((registry) => ({
      key: registry.metadata.uid ?? '',
      name: `Registry ${registry.metadata.namespace}/${registry.metadata.name}`,
      everyMs: reportInterval(registry.spec) * 1000,
      send: async (body, signal) => {
        const path = `/admin/v1/inventories/${localCluster}`;
        const answer = await clientOf(registry).send({ method: 'PUT', path, body, timeoutMs: sendWithinMs }, signal);
        if (answer.status !== 204) throw new Error(`the registry answers ${describe(answer)}`);
      },
    }));
}
