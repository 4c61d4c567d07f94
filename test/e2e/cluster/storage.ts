import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layout } from './layout.ts';
import { startInNode } from './node.ts';

const CLASS = 'standard';
const PROVISIONER = 'ne-registry.io/test-cluster';

/**
 * The default StorageClass. Its volumes are of kind `local`, folders of the state folder: they honour fsGroup, so that
 * a pod which is not root can write to them, as volumes of kind hostPath do not.
 */
export function storageObjects(): readonly object[] {
  return [
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: CLASS, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: PROVISIONER,
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    },
  ];
}

/** Starts what makes, grows and removes those volumes; `program` is its path. */
export async function startProvisioner(at: Layout, program: string): Promise<void> {
  await mkdir(at.volumes, { recursive: true });
  await startInNode(at, 'provisioner', [
    program,
    `--kubeconfig=${join(at.pki, 'admin.kubeconfig')}`,
    `--name=${PROVISIONER}`,
    `--class=${CLASS}`,
    `--directory=${at.volumes}`,
  ]);
}
