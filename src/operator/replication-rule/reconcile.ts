/** ReplicationRules are accepted; what carries them out comes later, and until then none is ever called ready. */
import type { Cached } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Reconcile } from '../runtime/controller.ts';
import { applyStatus } from '../runtime/status.ts';
import type { ReplicationRuleResource } from './resource.ts';

export interface ReplicationRuleOptions {
  readonly client: KubeClient;
  readonly rules: Cached<ReplicationRuleResource>;
  readonly now: () => Date;
}

export function replicationRuleReconciler({ client, rules, now }: ReplicationRuleOptions): Reconcile {
  return async ({ namespace, name }) => {
    const rule = rules.get(namespace, name);
    if (rule === undefined || rule.metadata.deletionTimestamp !== undefined) return;
    const observedGeneration = rule.metadata.generation ?? 0;
    const message = 'this version of the operator does not carry out ReplicationRules: nothing is copied';
    const ready = { type: 'Ready', status: 'Unknown' as const, reason: 'ControllerNotAvailable', message };
    await applyStatus(client, rule, { observedGeneration, conditions: [{ ...ready, observedGeneration }] }, now());
  };
}
