/** Brings children into shape, and removes those that are no longer asked for. */
import type { KubeClient } from '../kube/client.ts';
import { ensure } from '../kube/ensure.ts';
import { isConflict, KubeError } from '../kube/error.ts';
import { describeRef, type KubeObject, refOf } from '../kube/object.ts';
import { Failing } from './failing.ts';
import { registryLabel } from './names.ts';
import { refuseForeign } from './ownership.ts';
import type { Site } from './site.ts';
import type { View } from './view.ts';

export interface ApplyContext {
  readonly client: KubeClient;
  readonly view: View;
  readonly site: Site;
}

/**
 * Makes one child what it should be, with no write where it is. Throws Failing, with words for a person, where the API
 * server refuses it; other errors as they are.
 */
export async function applyChild<T extends KubeObject>({ client, view, site }: ApplyContext, desired: T): Promise<T> {
  const { kind, metadata } = desired;
  const followed = view.children.get(kind)?.get(metadata.namespace, metadata.name) as T | undefined;
  // What the cache does not show may be too new for it, or somebody else's.
  const live = followed ?? (await client.get<T>(refOf(desired)));
  refuseForeign(site, live);
  try {
    return (await ensure(client, desired, live)).object;
  } catch (error) {
    throw refusal(desired, error);
  }
}

/** Deletes the children that go with the Registry and that `desired` no longer has. Data and Secrets are none of them. */
export async function prune({ client, view, site }: ApplyContext, desired: readonly KubeObject[]): Promise<void> {
  const wanted = new Set(desired.map((each) => describeRef(refOf(each))));
  const uid = site.registry.metadata.uid;
  for (const cache of view.children.values()) {
    for (const live of cache.list(site.namespace)) {
      const { labels, ownerReferences, deletionTimestamp } = live.metadata;
      const ours = labels?.[registryLabel] === site.name && ownerReferences?.some((owner) => owner.uid === uid);
      if (!ours || deletionTimestamp !== undefined || live.kind === 'PersistentVolumeClaim') continue;
      if (!wanted.has(describeRef(refOf(live)))) await client.delete(refOf(live), uidOf(live));
    }
  }
}

export function uidOf(live: KubeObject): { uid?: string } {
  return live.metadata.uid === undefined ? {} : { uid: live.metadata.uid };
}

/** What the API server's refusal of a child means for a person; other errors come back as they are. */
function refusal(desired: KubeObject, error: unknown): unknown {
  if (!(error instanceof KubeError) || isConflict(error) || ![400, 403, 422].includes(error.status)) return error;
  const child = describeRef(refOf(desired));
  const cause = { cause: error };
  if (
    error.causes.some(({ field, message }) => field?.endsWith('nodePort') && /already allocated/.test(message ?? ''))
  ) {
    const text = `${child}: ${error.message}; set spec.expose.service.nodePort to a free port, or leave it out`;
    return new Failing('NodePortTaken', text, cause);
  }
  if (desired.kind === 'PersistentVolumeClaim' && /resize|expan/i.test(error.message)) {
    const text = `${child} cannot grow: ${error.message}; use a StorageClass with allowVolumeExpansion, or set spec.storage.filesystem.size back`;
    return new Failing('VolumeExpansionRefused', text, cause);
  }
  return new Failing('ApplyRefused', `the API server refuses ${child}: ${error.message}`, cause);
}
