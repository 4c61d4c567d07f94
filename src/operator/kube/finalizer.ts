import type { KubeClient } from './client.ts';
import { type KubeObject, refOf } from './object.ts';

/** Adds a finalizer to an object unless it is there; touches nothing else. A Conflict means: read again. */
export async function addFinalizer<T extends KubeObject>(
  client: Pick<KubeClient, 'patch'>,
  object: T,
  finalizer: string,
): Promise<T> {
  const present = object.metadata.finalizers ?? [];
  if (present.includes(finalizer)) return object;
  return await patchFinalizers(client, object, [...present, finalizer]);
}

/** Removes a finalizer from an object if it is there; touches nothing else. A Conflict means: read again. */
export async function removeFinalizer<T extends KubeObject>(
  client: Pick<KubeClient, 'patch'>,
  object: T,
  finalizer: string,
): Promise<T> {
  const present = object.metadata.finalizers ?? [];
  if (!present.includes(finalizer)) return object;
  return await patchFinalizers(
    client,
    object,
    present.filter((name) => name !== finalizer),
  );
}

async function patchFinalizers<T extends KubeObject>(
  client: Pick<KubeClient, 'patch'>,
  object: T,
  finalizers: string[],
): Promise<T> {
  const { resourceVersion } = object.metadata;
  // A merge patch replaces the whole list, so it must not meet a list that somebody changed since we read it.
  return await client.patch<T>(refOf(object), { metadata: { resourceVersion, finalizers } });
}
