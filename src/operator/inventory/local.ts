/** The Registries of this cluster, which hear of it as `local`. */
import { parseSeconds } from '../registry/quantity.ts';
import type { RegistryResource, RegistrySpec } from '../registry/resource.ts';
import { describe } from '../registry-client/client.ts';
import type { ClientOf } from '../registry-client/clients.ts';
import type { Destination } from './deliveries.ts';

/** The name under which a cluster reports to its own Registries. */
export const localCluster = 'local';
/** Longest time between two reports, milliseconds, where nothing asks for less. */
export const reportEveryMs = 45_000;
const staleAfterByDefault = '15m';
/** A report may be late, and one may be lost. */
const reportsBeforeStale = 3;
/** How long a registry may take over a report of many megabytes, milliseconds. */
export const sendWithinMs = 30_000;

/** Those whose `inUse` counts on this cluster, also while they are suspended: they go on serving, and expiring. */
export function localDestinations(registries: readonly RegistryResource[], clientOf: ClientOf): Destination[] {
  return registries
    .filter(({ metadata, spec }) => metadata.deletionTimestamp === undefined && clustersOf(spec).includes(localCluster))
    .map((registry) => ({
      key: registry.metadata.uid ?? '',
      name: `Registry ${registry.metadata.namespace}/${registry.metadata.name}`,
      everyMs: reportEvery(registry.spec),
      send: async (body, signal) => {
        const path = `/admin/v1/inventories/${localCluster}`;
        const answer = await clientOf(registry).send({ method: 'PUT', path, body, timeoutMs: sendWithinMs }, signal);
        if (answer.status !== 204) throw new Error(`the registry answers ${describe(answer)}`);
      },
    }));
}

/** The clusters whose reports a Registry waits for: its own unless the spec says otherwise. */
export function clustersOf({ inUse }: RegistrySpec): string[] {
  return inUse?.clusters?.map(({ name }) => name) ?? [localCluster];
}

/** Seconds past which a Registry calls a report stale. */
export function staleSeconds({ inUse }: RegistrySpec): number {
  return Math.max(1, parseSeconds(inUse?.staleAfter ?? staleAfterByDefault));
}

/** Milliseconds between two reports to a Registry. */
export function reportEvery(spec: RegistrySpec): number {
  return Math.min(reportEveryMs, Math.max(1000, (staleSeconds(spec) * 1000) / reportsBeforeStale));
}
