/** The controllers and what they watch. */
import { deliver } from './inventory/deliveries.ts';
import { localDestinations } from './inventory/local.ts';
import type { InventoryMetrics } from './inventory/metrics.ts';
import { type ReporterRef, remoteDestinations } from './inventory/remote.ts';
import { Inventory } from './inventory/watch.ts';
import { Cache, type CacheOptions } from './kube/cache.ts';
import type { KubeClient, ListWatch } from './kube/client.ts';
import type { Log } from './kube/log.ts';
import type { KindRef, KubeObject } from './kube/object.ts';
import { askReadiness, askRegistry } from './registry/admin-api.ts';
import type { Pod } from './registry/health.ts';
import { childSelector, registryLabel } from './registry/names.ts';
import { registryReconciler } from './registry/reconcile.ts';
import { type RegistryResource, registryKind } from './registry/resource.ts';
import { childKinds, type Node } from './registry/view.ts';
import { registryClients } from './registry-client/clients.ts';
import { replicationRuleController, replicationRules } from './replication-rule/controller.ts';
import { type ReplicationRuleResource, replicationRuleKind } from './replication-rule/resource.ts';
import { registriesConcernedBy, rolesOf } from './replication-rule/roles.ts';
import { retentionPolicyController, retentionRules } from './retention-policy/controller.ts';
import { type RetentionPolicyResource, retentionPolicyKind } from './retention-policy/resource.ts';
import { ruleRemovalController } from './rules/controller.ts';
import { Controller, requestFor, requestForLabel, type Source, source } from './runtime/controller.ts';
import { EventRecorder } from './runtime/events.ts';
import { fence } from './runtime/fence.ts';
import type { RuntimeMetrics } from './runtime/metrics.ts';
import type { Tools } from './tools.ts';

export interface ControllersOptions {
  readonly client: KubeClient & ListWatch;
  readonly namespaces: readonly string[];
  readonly image: string;
  readonly ownNamespace: string | undefined;
  readonly identity: string;
  readonly concurrency: number;
  readonly log: Log;
  readonly metrics: RuntimeMetrics;
  /** Aborts when this process may no longer write. */
  readonly signal: AbortSignal;
  readonly leads: () => boolean;
  /** Secrets that name registries of other clusters which this one reports to. */
  readonly reportTo: readonly ReporterRef[];
  readonly inventoryMetrics: InventoryMetrics;
}

/** Runs all controllers until the signal aborts, and settles when their work and their watches have ended. */
export async function startControllers(options: ControllersOptions): Promise<void> {
  const { signal, log } = options;
  const client = fence(options.client, options.leads);
  const events = new EventRecorder({ client, controller: 'ne-registry.io/operator', instance: options.identity, log });
  const caches: Cache[] = [];
  const follow: Follow = <T extends KubeObject>(kind: KindRef, narrow: Narrow<T> = {}): Cache<T> => {
    const scope = options.namespaces.length === 0 ? {} : { namespaces: options.namespaces };
    const cache = new Cache<T>(options.client, { ...kind, log, ...scope, ...narrow });
    caches.push(cache as unknown as Cache);
    return cache;
  };
  const now = (): Date => new Date();
  const registries = follow<RegistryResource>(registryKind);
  const rules = follow<ReplicationRuleResource>(replicationRuleKind);
  const policies = follow<RetentionPolicyResource>(retentionPolicyKind);
  const pods = follow<Pod>({ apiVersion: 'v1', kind: 'Pod' }, { labelSelector: childSelector });
  const clientOf = registryClients({ client, pods });
  const { metrics, concurrency } = options;
  const tools: Tools = { client, events, now, log, metrics, concurrency, registries, pods, clientOf };
  const controllers = [
    registryController(options, { ...tools, follow, rules }),
    replicationRuleController(tools, rules),
    retentionPolicyController(tools, policies),
    ruleRemovalController(tools, [retentionRules(tools, policies), replicationRules(tools, rules)]),
  ];
  const inventory = new Inventory({ client: options.client, namespaces: options.namespaces, log });
  const ending = new AbortController();
  const delivered = deliver(
    { inventory, leads: options.leads, now, log, ...reporting(options, tools) },
    AbortSignal.any([signal, ending.signal]),
  );
  try {
    await Promise.all(controllers.map((each) => started(each, signal)));
    await aborted(signal);
  } finally {
    ending.abort();
    await delivered;
    await Promise.all(controllers.map((each) => each.stop()));
    await Promise.all(caches.map((cache) => cache.stop()));
    await events.flush();
  }
}

/** Whom this cluster tells what it runs. */
function reporting({ reportTo, inventoryMetrics }: ControllersOptions, { client, registries, clientOf }: Tools) {
  const remote = remoteDestinations(client, reportTo);
  const destinations = () => [...localDestinations(registries.list(), clientOf), ...remote];
  return { destinations, metrics: inventoryMetrics };
}

type Narrow<T extends KubeObject> = Partial<Pick<CacheOptions<T>, 'labelSelector' | 'keep'>>;
type Follow = <T extends KubeObject>(kind: KindRef, narrow?: Narrow<T>) => Cache<T>;

interface RegistryTools extends Tools {
  readonly follow: Follow;
  readonly rules: Cache<ReplicationRuleResource>;
}

function registryController(
  { image, ownNamespace, namespaces, concurrency, log, metrics }: ControllersOptions,
  { client, events, now, follow, registries, rules, pods }: RegistryTools,
): Controller {
  const children = new Map(
    childKinds.map((kind) => [kind.kind as string, follow<KubeObject>(kind, { labelSelector: childSelector })]),
  );
  // Nodes belong to no namespace, so a Role cannot give the right to read them.
  const nodes =
    namespaces.length === 0 ? follow<Node>({ apiVersion: 'v1', kind: 'Node' }, { keep: addressesAlone }) : undefined;
  const ofChild = requestForLabel(registryLabel);
  const sources: Source[] = [
    source({ cache: registries, mapTo: requestFor }),
    ...[...children.values()].map((cache) => source({ cache, mapTo: ofChild })),
    source({ cache: pods, mapTo: ofChild }),
    source({
      cache: rules,
      mapTo: (rule) => registriesConcernedBy(rule, registries.list()),
      when: (rule, previous) => rule.metadata.generation !== previous?.metadata.generation,
    }),
  ];
  if (nodes !== undefined) {
    sources.push(source({ cache: nodes, mapTo: () => concernedByNodes(registries), when: addressesChanged }));
  }
  const view = { registries, children, pods, nodes };
  const reconcile = registryReconciler({
    client,
    view,
    events,
    ask: askRegistry,
    askReadiness,
    now,
    defaultImage: image,
    operatorNamespace: ownNamespace,
    replication: (registry) => rolesOf(registry, { rules: rules.list(), registries: registries.list() }),
  });
  return new Controller({ name: 'registry', reconcile, sources, concurrency, log, metrics });
}

function concernedByNodes(registries: Cache<RegistryResource>): { namespace: string; name: string }[] {
  return registries
    .list()
    .filter(({ spec }) => spec.nodeAccess?.mode === 'Configure')
    .flatMap(requestFor);
}

/** A node writes its status every few seconds; only its addresses matter. */
function addressesChanged(node: Node, previous: Node | undefined): boolean {
  return JSON.stringify(node.status?.addresses) !== JSON.stringify(previous?.status?.addresses);
}

/** Starts a controller, unless the signal aborts first: stopping makes a start that waits for its caches reject. */
async function started(controller: Controller, signal: AbortSignal): Promise<void> {
  const start = controller.start();
  await Promise.race([start, aborted(signal)]);
  if (signal.aborted) start.catch(() => undefined);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** What is read of a Node; its images and annotations are a hundred times as much. */
function addressesAlone({ apiVersion, kind, metadata, status }: Node): Node {
  const { name, resourceVersion, uid } = metadata;
  const kept = { name, ...(resourceVersion && { resourceVersion }), ...(uid && { uid }) };
  return { apiVersion, kind, metadata: kept, status: { addresses: status?.addresses ?? [] } };
}
