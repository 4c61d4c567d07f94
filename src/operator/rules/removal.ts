/**
 * Takes rules away whose resource is gone, or is now for another Registry. A reconcile of the Registry does it, by comparing
 * what the registry has with what resources there are: it comes to the same after any crash, needs no finalizer, and no
 * deletion ever waits for a registry that does not answer.
 */
import type { Cached } from '../kube/cache.ts';
import type { Log } from '../kube/log.ts';
import type { RegistryResource } from '../registry/resource.ts';
import { RegistryUnreachable } from '../registry-client/client.ts';
import type { ClientOf } from '../registry-client/clients.ts';
import { deleteRule, listRules, type RuleKind } from '../registry-client/rules.ts';
import type { Reconcile } from '../runtime/controller.ts';

/** The resources of one kind of rule. */
export interface RuleResources {
  readonly kind: RuleKind;
  /** Whether there is a resource `name` in the Registry's namespace whose rule this Registry is to carry out. */
  wants(registry: RegistryResource, name: string): boolean;
}

export interface RuleRemovalOptions {
  readonly registries: Cached<RegistryResource>;
  readonly clientOf: ClientOf;
  readonly resources: readonly RuleResources[];
  readonly log: Log;
}

/** Seconds until a Registry is compared again: where all was seen, and where it did not answer. */
const again = { compared: 900, unreachable: 30 } as const;

export function ruleRemovalReconciler(options: RuleRemovalOptions): Reconcile {
  return async ({ namespace, name }, signal) => {
    const registry = options.registries.get(namespace, name);
    if (registry === undefined || registry.metadata.deletionTimestamp !== undefined) return;
    try {
      for (const each of options.resources) await compare(options, registry, each, signal);
      return { requeueAfterSeconds: again.compared };
    } catch (error) {
      if (error instanceof RegistryUnreachable) return { requeueAfterSeconds: again.unreachable };
      throw error;
    }
  };
}

async function compare(
  { clientOf, log }: RuleRemovalOptions,
  registry: RegistryResource,
  { kind, wants }: RuleResources,
  signal: AbortSignal,
): Promise<void> {
  const client = clientOf(registry);
  for (const { name } of await listRules(client, kind, signal)) {
    // Asked at the last moment: what was made while the list was read is wanted.
    if (wants(registry, name)) continue;
    await deleteRule(client, { kind, name }, signal);
    log.info({ registry: registry.metadata.name, kind, rule: name }, 'removed a rule without a resource');
  }
}
