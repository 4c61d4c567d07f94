/** What every controller is given, and which changes concern it. */
import type { Cache } from './kube/cache.ts';
import type { KubeClient } from './kube/client.ts';
import type { Log } from './kube/log.ts';
import type { KubeObject } from './kube/object.ts';
import type { Pod } from './registry/health.ts';
import { annotations } from './registry/names.ts';
import type { RegistryResource } from './registry/resource.ts';
import type { ClientOf } from './registry-client/clients.ts';
import type { Events } from './runtime/events.ts';
import type { RuntimeMetrics } from './runtime/metrics.ts';

export interface Tools {
  readonly client: KubeClient;
  readonly events: Events;
  readonly now: () => Date;
  readonly log: Log;
  readonly metrics: RuntimeMetrics;
  readonly concurrency: number;
  readonly registries: Cache<RegistryResource>;
  /** Those of Registries alone. */
  readonly pods: Cache<Pod>;
  readonly clientOf: ClientOf;
}

/** Whether more than what the operator itself writes is new: the spec, a request for a look at once, or the whole object. */
export function isChanged({ metadata }: KubeObject, previous: KubeObject | undefined): boolean {
  const before = previous?.metadata;
  return (
    metadata.generation !== before?.generation ||
    metadata.uid !== before?.uid ||
    metadata.annotations?.[annotations.reconcileAt] !== before?.annotations?.[annotations.reconcileAt]
  );
}

/** Whether a Registry came, or turned ready, or no longer is. */
export function turned(registry: RegistryResource, previous: RegistryResource | undefined): boolean {
  return previous === undefined || isReadyNow(registry) !== isReadyNow(previous);
}

function isReadyNow({ status }: RegistryResource): boolean {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
}
