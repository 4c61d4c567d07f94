import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/error.ts';
import { Failing } from './failing.ts';
import type { Site } from './site.ts';

const kind = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass' } as const;

/**
 * Throws Failing, naming the classes that exist, where the spec names a StorageClass that does not. Where the operator
 * may not read classes (it watches single namespaces) the claim's own events tell the same later.
 */
export async function requireStorageClass(client: KubeClient, site: Site): Promise<void> {
  const name = site.spec.storage?.filesystem?.storageClassName;
  if (name === undefined) return;
  try {
    if ((await client.get({ ...kind, name })) !== undefined) return;
    const known = (await client.list(kind)).map((each) => each.metadata.name).sort();
    // A class may be a mere name that binds claims to volumes made by hand.
    if (await hasVolume(client, name)) return;
    const there = known.length === 0 ? 'the cluster has none' : `there are ${known.join(', ')}`;
    throw new Failing(
      'StorageClassUnknown',
      `StorageClass "${name}", which spec.storage.filesystem.storageClassName names, does not exist (${there}): create it, or create the Registry anew with one that exists`,
    );
  } catch (error) {
    if (error instanceof KubeError && error.status === 403) return;
    throw error;
  }
}

async function hasVolume(client: KubeClient, storageClassName: string): Promise<boolean> {
  try {
    const volumes = await client.list({ apiVersion: 'v1', kind: 'PersistentVolume' });
    return volumes.some(({ spec }) => (spec as { storageClassName?: string }).storageClassName === storageClassName);
  } catch (error) {
    if (error instanceof KubeError && error.status === 403) return false;
    throw error;
  }
}
