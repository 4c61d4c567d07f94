/** The status of a Registry, put together in one place from what a reconcile found. Pure. */
import type { Condition, ConditionInput, Standing } from '../runtime/conditions.ts';
import { standingConditions } from '../runtime/conditions.ts';
import type { StatusInput } from '../runtime/status.ts';
import type { Report } from './admin-api.ts';
import { desiredReplicas, type Workload } from './health.ts';
import { annotations } from './names.ts';
import { type StorageNumbers, settleNumbers } from './numbers.ts';
import type { Reporter } from './reporters.ts';
import type { RegistryResource, RegistryStatus } from './resource.ts';
import type { Site } from './site.ts';

/** What a reconcile that got so far learnt. */
export interface Findings {
  site?: Site;
  bundle?: string | undefined;
  expires?: Date | undefined;
  workload?: Workload;
  /** What does the long work, where those are pods of its own. */
  workers?: Workload;
  report?: Report | undefined;
  /** The Secrets for clusters that report here. */
  reporters?: readonly Reporter[];
  /** Which of its pods do not serve, though it serves as a whole. */
  degraded?: string | undefined;
  /** Conditions besides Ready, Reconciling and Stalled. */
  warnings: Warning[];
}

export interface Warning {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** The whole status: what was not learnt this time stays as it was. */
export function statusOf(registry: RegistryResource, standing: Standing, found: Findings): StatusInput {
  const generation = registry.metadata.generation ?? 0;
  const earlier = { ...registry.status };
  delete earlier.conditions;
  return {
    ...earlier,
    ...endpoints(found),
    ...certificate(found),
    ...reported(registry, found),
    ...(found.reporters === undefined ? {} : { reporters: found.reporters.length > 0 ? found.reporters : undefined }),
    ...replicas(found),
    ...handled(registry),
    observedGeneration: generation,
    conditions: [
      ...standingConditions(standing, generation),
      ...found.warnings.map((warning) => ({ ...warning, observedGeneration: generation })),
    ],
  };
}

/** While suspended: what was known stays, and a condition says that nobody looks. */
export function suspendedStatus(registry: RegistryResource, found: Findings): StatusInput {
  const generation = registry.metadata.generation ?? 0;
  const earlier = (registry.status?.conditions ?? []) as Condition[];
  const kept = earlier.filter(({ type }) => !['Suspended', 'Reconciling', 'Stalled'].includes(type)).map(withoutTime);
  const suspended = {
    type: 'Suspended',
    status: 'True' as const,
    reason: 'Suspended',
    message: 'spec.suspend is true: what runs goes on running, and changes wait until it is false',
    observedGeneration: generation,
  };
  const ready = kept.some(({ type }) => type === 'Ready')
    ? []
    : [{ ...suspended, type: 'Ready', status: 'Unknown' as const }];
  const rest = { ...registry.status };
  delete rest.conditions;
  return {
    ...rest,
    ...certificate(found),
    ...handled(registry),
    // What is suspended has not acted on the newest spec, and does not claim to.
    observedGeneration: registry.status?.observedGeneration ?? -1,
    conditions: [...kept, ...ready, suspended],
  };
}

function endpoints({ site }: Findings): RegistryStatus {
  if (site === undefined) return {};
  return { url: site.url, internalURL: site.internalURL, adminSecretName: site.names.administrator };
}

function certificate(found: Findings): RegistryStatus {
  // A reconcile that did not get that far has learnt nothing of it.
  if (!('expires' in found)) return {};
  const { bundle, expires } = found;
  // Undefined takes a value away again: status is compared through JSON.
  return { caBundle: bundle, certificateExpiry: expires && wholeSeconds(expires) } as RegistryStatus;
}

function reported(registry: RegistryResource, { report }: Findings): RegistryStatus {
  if (report === undefined) return {};
  const { version, storage, repositories, lastBackup } = report;
  return {
    version,
    ...(lastBackup === undefined ? {} : { lastBackup: wholeSeconds(new Date(lastBackup)) }),
    ...(storage === undefined
      ? {}
      : { storage: settleNumbers(registry.status?.storage as StorageNumbers | undefined, storage as StorageNumbers) }),
    ...(repositories === undefined ? {} : { repositories }),
  };
}

function replicas({ workload, workers }: Findings): RegistryStatus {
  if (workload === undefined) return {};
  // Undefined takes a value away again: status is compared through JSON.
  return { replicas: counts(workload), workers: workers && counts(workers) } as RegistryStatus;
}

function counts(workload: Workload): NonNullable<RegistryStatus['replicas']> {
  const { readyReplicas = 0, updatedReplicas = 0 } = workload.status ?? {};
  return { desired: desiredReplicas(workload), ready: readyReplicas, updated: updatedReplicas };
}

function handled(registry: RegistryResource): RegistryStatus {
  const asked = registry.metadata.annotations?.[annotations.reconcileAt];
  return asked === undefined ? {} : { lastHandledReconcileAt: asked.slice(0, 253) };
}

function withoutTime({ lastTransitionTime: _, ...condition }: Condition): ConditionInput {
  return condition;
}

function wholeSeconds(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
