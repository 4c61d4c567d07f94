import type { KubeObject } from '../../kube/object.ts';
import { parseBytes } from '../quantity.ts';
import { kept, type Site } from '../site.ts';

export const defaultSize = '20Gi';

export interface VolumeClaim extends KubeObject {
  spec: { accessModes?: string[]; storageClassName?: string; resources?: { requests?: { storage?: string } } };
  status?: {
    phase?: string;
    capacity?: { storage?: string };
    conditions?: { type: string; status: string; message?: string }[];
  };
}

/**
 * The claim that holds images and metadata, or the one of the two that is not kept elsewhere; plain rather than a template
 * of the StatefulSet, so that it can grow. Undefined where the pod holds nothing, or the user made the claim.
 */
export function renderVolumeClaim(site: Site): KubeObject | undefined {
  if (site.shared || site.spec.storage?.filesystem?.existingClaim !== undefined) return undefined;
  const { size, storageClassName } = site.spec.storage?.filesystem ?? {};
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: kept(site, site.names.volumeClaim),
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: size ?? defaultSize } },
      ...(storageClassName === undefined ? {} : { storageClassName }),
    },
  };
}

/**
 * Why the claim that is there cannot become what the spec asks for, in words, or undefined when it can. A claim that
 * an earlier Registry of the same name left may differ in ways that the API server cannot know of.
 */
export function claimConflict(site: Site, live: VolumeClaim | undefined): string | undefined {
  if (live === undefined || site.spec.storage?.filesystem?.existingClaim !== undefined) return undefined;
  const { size, storageClassName } = site.spec.storage?.filesystem ?? {};
  const there = live.spec.resources?.requests?.storage ?? '0';
  const subject = `the volume claim ${live.metadata.name} that holds the data`;
  if (parseBytes(size ?? defaultSize) < parseBytes(there)) {
    return `${subject} has ${there}, and volumes cannot shrink: set spec.storage.filesystem.size to ${there} or more`;
  }
  if (storageClassName !== undefined && storageClassName !== live.spec.storageClassName) {
    const named = live.spec.storageClassName ?? 'no class';
    return `${subject} has the StorageClass "${named}", which cannot change: set spec.storage.filesystem.storageClassName to it`;
  }
  return undefined;
}
