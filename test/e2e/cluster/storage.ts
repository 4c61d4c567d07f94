import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layout } from './layout.ts';

const CLASS = 'standard';
const VOLUMES = 60;

/**
 * The default StorageClass, and volumes of kind `local` that it can bind.
 *
 * Local volumes honour fsGroup, so that a pod which is not root can write to them; host paths do not. Each is a folder
 * of the state folder, takes any claim of up to 100 GiB, and is bound to one claim only: there are enough of them for a
 * whole test run.
 */
export async function storageObjects(at: Layout): Promise<readonly object[]> {
  const names = Array.from({ length: VOLUMES }, (_, index) => `local-${String(index + 1).padStart(2, '0')}`);
  for (const name of names) await mkdir(join(at.volumes, name), { recursive: true });
  return [
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: CLASS, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: 'kubernetes.io/no-provisioner',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    },
    ...names.map((name) => volume(at, name)),
  ];
}

function volume(at: Layout, name: string): object {
  const here = { key: 'kubernetes.io/hostname', operator: 'In', values: [at.nodeName] };
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '100Gi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: CLASS,
      persistentVolumeReclaimPolicy: 'Retain',
      local: { path: join(at.volumes, name) },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [here] }] } },
    },
  };
}
