import { isDeepStrictEqual } from 'node:util';
import type { KubeClient } from '../kube/client.ts';
import type { Ensured } from '../kube/ensure.ts';
import { type KubeObject, refOf } from '../kube/object.ts';
import { type Condition, type ConditionInput, settleConditions } from './conditions.ts';

/** A status before it is known which of its conditions moved. */
export interface StatusInput {
  conditions: ConditionInput[];
  observedGeneration: number;
}

/**
 * Makes `live.status` equal to `status`, through the status subresource, and writes nothing when it is. Sets each
 * condition's `lastTransitionTime`: it moves only when the condition's status does. Fields that `status` leaves out go.
 *
 * Throws a Conflict when `live` is no longer the newest version (pass what the last write to it gave): what was said
 * about an old spec, or with an old `lastTransitionTime`, must not overwrite what is true. The controller then retries.
 */
export async function applyStatus<T extends KubeObject>(
  client: Pick<KubeClient, 'patch'>,
  live: T,
  status: StatusInput,
  now: Date,
): Promise<Ensured<T>> {
  const before = (live.status ?? {}) as Record<string, unknown>;
  const conditions = settleConditions((before.conditions ?? []) as Condition[], status.conditions, now);
  // Through JSON, so that what is undefined is absent on both sides.
  const wanted = JSON.parse(JSON.stringify({ ...status, conditions })) as Record<string, unknown>;
  const change = mergePatch(before, wanted);
  if (change === undefined) return { object: live, written: false };
  const { resourceVersion } = live.metadata;
  const body = { metadata: { resourceVersion }, status: change };
  const object = await client.patch<T>(refOf(live), body, { subresource: 'status' });
  return { object, written: true };
}

/** The RFC 7386 patch that turns `before` into `after`, or undefined when they are equal. */
export function mergePatch(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(before)) if (!(key in after)) patch[key] = null;
  for (const [key, value] of Object.entries(after)) {
    const old = before[key];
    if (isDeepStrictEqual(old, value)) continue;
    patch[key] = isPlain(old) && isPlain(value) ? mergePatch(old, value) : value;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
