/** A ReplicationRule as the API server sends it, with the types that its CRD gives. */
import type {
  ReplicationRule,
  ReplicationRuleSpec,
  ReplicationRuleStatus,
} from '../../api/v1alpha1/replication-rule.gen.ts';
import type { KubeObject } from '../kube/object.ts';

export type { ReplicationRuleSpec, ReplicationRuleStatus };

export const replicationRuleKind = { apiVersion: 'ne-registry.io/v1alpha1', kind: 'ReplicationRule' } as const;

export interface ReplicationRuleResource extends KubeObject {
  spec: ReplicationRule['spec'];
  status?: ReplicationRuleStatus;
}
