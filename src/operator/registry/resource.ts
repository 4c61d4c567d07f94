/** A Registry as the API server sends it, with the types that its CRD gives. */
import type { Registry, RegistrySpec, RegistryStatus } from '../../api/v1alpha1/registry.gen.ts';
import type { KubeObject } from '../kube/object.ts';

export type { RegistrySpec, RegistryStatus };

export const registryKind = { apiVersion: 'ne-registry.io/v1alpha1', kind: 'Registry' } as const;

export interface RegistryResource extends KubeObject {
  spec: Registry['spec'];
  status?: RegistryStatus;
}
