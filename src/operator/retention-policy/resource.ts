/** A RetentionPolicy as the API server sends it, with the types that its CRD gives. */
import type {
  RetentionPolicy,
  RetentionPolicySpec,
  RetentionPolicyStatus,
} from '../../api/v1alpha1/retention-policy.gen.ts';
import type { KubeObject } from '../kube/object.ts';

export type { RetentionPolicySpec, RetentionPolicyStatus };

export const retentionPolicyKind = { apiVersion: 'ne-registry.io/v1alpha1', kind: 'RetentionPolicy' } as const;

export interface RetentionPolicyResource extends KubeObject {
  spec: RetentionPolicy['spec'];
  status?: RetentionPolicyStatus;
}
