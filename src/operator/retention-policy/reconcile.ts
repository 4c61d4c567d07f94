/** RetentionPolicies are accepted; what carries them out comes later, and until then none is ever called ready. */
import type { Cached } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/object.ts';
import type { Reconcile } from '../runtime/controller.ts';
import { applyStatus } from '../runtime/status.ts';

export const retentionPolicyKind = { apiVersion: 'ne-registry.io/v1alpha1', kind: 'RetentionPolicy' } as const;

export interface RetentionPolicyOptions {
  readonly client: KubeClient;
  readonly policies: Cached<KubeObject>;
  readonly now: () => Date;
}

export function retentionPolicyReconciler({ client, policies, now }: RetentionPolicyOptions): Reconcile {
  return async ({ namespace, name }) => {
    const policy = policies.get(namespace, name);
    if (policy === undefined || policy.metadata.deletionTimestamp !== undefined) return;
    const observedGeneration = policy.metadata.generation ?? 0;
    const message = 'this version of the operator does not carry out RetentionPolicies: nothing is expired';
    const ready = { type: 'Ready', status: 'Unknown' as const, reason: 'ControllerNotAvailable', message };
    await applyStatus(client, policy, { observedGeneration, conditions: [{ ...ready, observedGeneration }] }, now());
  };
}
