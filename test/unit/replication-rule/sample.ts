import type { RegistryResource, RegistrySpec } from '../../../src/operator/registry/resource.ts';
import type { ReplicationRuleResource, ReplicationRuleSpec } from '../../../src/operator/replication-rule/resource.ts';

interface Where {
  readonly namespace?: string;
  readonly annotations?: Record<string, string>;
  readonly deletionTimestamp?: string;
}

/** A Registry as it is once the operator has set it up. */
export function registry(name: string, spec: Partial<RegistrySpec> = {}, where: Where = {}): RegistryResource {
  const { namespace = 'team', ...metadata } = where;
  return {
    apiVersion: 'ne-registry.io/v1alpha1',
    kind: 'Registry',
    metadata: { name, namespace, uid: `${namespace}/${name}`, generation: 1, ...metadata },
    spec: { host: `${name}.${namespace}.example`, ...spec },
    status: { internalURL: `https://${name}.${namespace}.svc`, caBundle: `authority of ${name}` },
  };
}

export function rule(spec: Partial<ReplicationRuleSpec> = {}, namespace = 'team'): ReplicationRuleResource {
  return {
    apiVersion: 'ne-registry.io/v1alpha1',
    kind: 'ReplicationRule',
    metadata: { name: 'mirror', namespace, uid: 'rule', generation: 2 },
    spec: { source: 'ghcr.io/myorg/app', targets: ['registry.example.com/myorg/app'], ...spec },
  };
}
