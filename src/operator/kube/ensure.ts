import { createHash } from 'node:crypto';
import { FIELD_MANAGER, type KubeClient } from './client.ts';
import type { KubeObject } from './object.ts';
import { ownsAll } from './ownership.ts';

/** Holds the hash of the object as it was rendered, so that a field we no longer render is noticed. */
export const APPLIED_ANNOTATION = 'ne-registry.io/applied';

export interface Ensured<T extends KubeObject> {
  object: T;
  written: boolean;
}

/**
 * Makes the cluster hold what `desired` says, by server-side apply, and writes nothing when it does already.
 *
 * Converged means: `live` carries the hash of exactly this `desired`, and the API server still counts every field of it
 * as ours (`metadata.managedFields`): a hand edit takes a field from us and is reverted; what others own stays; an
 * admission webhook that rewrites a value is not fought; a quantity that the server writes differently is no difference.
 *
 * `live` comes from a Cache or from `get`. What is undefined or null in `desired` counts as left out, and `stringData`
 * of a Secret becomes `data`, which is what the server stores. Leave empty maps out unless the empty map says something
 * (`podSelector: {}`): whoever adds the first entry takes the map from us.
 */
export async function ensure<T extends KubeObject>(
  client: Pick<KubeClient, 'apply'>,
  desired: T,
  live: T | undefined,
): Promise<Ensured<T>> {
  const stamped = stamp(desired);
  if (live !== undefined && isConverged(stamped, live)) return { object: live, written: false };
  return { object: await client.apply(stamped), written: true };
}

/** Whether `live` is what applying `stamped` would give. */
function isConverged(stamped: KubeObject, live: KubeObject): boolean {
  const hash = stamped.metadata.annotations?.[APPLIED_ANNOTATION];
  if (live.metadata.annotations?.[APPLIED_ANNOTATION] !== hash) return false;
  const ours = live.metadata.managedFields?.find(
    (entry) => entry.manager === FIELD_MANAGER && entry.operation === 'Apply' && !entry.subresource,
  );
  return ours?.fieldsV1 !== undefined && ownsAll(ours.fieldsV1, stamped, live);
}

/** The object as it is sent: without what is null, with the hash of all the rest. */
function stamp<T extends KubeObject>(desired: T): T {
  const object = withoutEmpty(withoutStringData(desired)) as T;
  const hash = createHash('sha256').update(canonicalJson(object)).digest('hex').slice(0, 32);
  const annotations = { ...object.metadata.annotations, [APPLIED_ANNOTATION]: hash };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

function withoutStringData<T extends KubeObject>(object: T): T {
  if (object.kind !== 'Secret' || object.stringData === undefined) return object;
  const { stringData, data, ...rest } = object;
  const encoded = Object.entries(stringData as Record<string, string>).map(([key, text]) => [
    key,
    Buffer.from(text).toString('base64'),
  ]);
  return { ...rest, data: { ...(data as object | undefined), ...Object.fromEntries(encoded) } } as unknown as T;
}

/** Without what is null, and without empty labels and annotations: those we would lose to whoever adds the first. */
function withoutEmpty(value: unknown, isMetadata = false): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutEmpty(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => item !== undefined && item !== null && !(isMetadata && isEmptyMap(key, item)))
      .map(([key, item]) => [key, withoutEmpty(item, key === 'metadata')]),
  );
}

function isEmptyMap(key: string, value: object): boolean {
  return (key === 'labels' || key === 'annotations') && Object.keys(value).length === 0;
}

/** JSON with keys in order, so that equal objects are equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
