/**
 * Reconciles one ReplicationRule: find the Registry that works, resolve how it reaches the places, hand it the rule, and
 * copy what it tells into the status.
 */
import { createHash } from 'node:crypto';
import { readReplicationRule } from '../../domain/replication/read-rule.ts';
import { InvalidRule } from '../../domain/replication/rule.ts';
import type { Cached } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict, KubeError } from '../kube/error.ts';
import type { Secret } from '../registry/children/secret.ts';
import { Failing } from '../registry/failing.ts';
import { annotations } from '../registry/names.ts';
import type { RegistryResource } from '../registry/resource.ts';
import { type RegistryClient, RegistryUnreachable } from '../registry-client/client.ts';
import type { ClientOf } from '../registry-client/clients.ts';
import { getRule, putRule, type Rule, RuleRefused, runRule } from '../registry-client/rules.ts';
import type { Standing } from '../runtime/conditions.ts';
import type { Reconcile, ReconcileResult } from '../runtime/controller.ts';
import type { Events } from '../runtime/events.ts';
import { applyStatus } from '../runtime/status.ts';
import { standingOf } from './conditions.ts';
import { connectionsOf } from './connections.ts';
import { newsOf } from './news.ts';
import type { ReplicationRuleResource } from './resource.ts';
import { readState } from './state.ts';
import { statusOf, type Told } from './status.ts';
import { workerOf } from './worker.ts';

export interface ReplicationRuleOptions {
  readonly client: KubeClient;
  readonly rules: Cached<ReplicationRuleResource>;
  readonly registries: Cached<RegistryResource>;
  readonly clientOf: ClientOf;
  readonly events: Events;
  readonly now: () => Date;
}

/** Seconds until a rule is looked at again though nothing is known to have changed: Secrets are not watched. */
const lookAgain = { ready: 15, progressing: 2, failing: 10, stalled: 15 } as const;
/** Thousands of rules are looked at less often, so that asking for their states never loads a registry: so many a second. */
const looksPerSecond = 20;
/** A registry that is silent for no longer than this is being restarted, and its rules go on being in force. */
const patienceMs = 60_000;

interface Memory {
  /** Fingerprints of what the registries were last given, by `namespace/name` of the rule. */
  readonly given: Map<string, string>;
  /** Since when a rule's registry has not answered. */
  readonly silentSince: Map<string, number>;
}

export function replicationRuleReconciler(options: ReplicationRuleOptions): Reconcile {
  const memory: Memory = { given: new Map(), silentSince: new Map() };
  return async ({ namespace, name }, signal) => {
    const rule = options.rules.get(namespace, name);
    if (rule === undefined || rule.metadata.deletionTimestamp !== undefined) {
      // The registries' own sweep takes it away there, whether or not they can be reached now.
      memory.given.delete(`${namespace}/${name}`);
      memory.silentSince.delete(`${namespace}/${name}`);
      return;
    }
    return await advance(options, memory, { rule, signal });
  };
}

async function advance(
  options: ReplicationRuleOptions,
  memory: Memory,
  { rule, signal }: { rule: ReplicationRuleResource; signal: AbortSignal },
): Promise<ReconcileResult> {
  const key = `${rule.metadata.namespace}/${rule.metadata.name}`;
  let told: Told;
  try {
    told = await converge(options, memory, { rule, signal });
    memory.silentSince.delete(key);
  } catch (error) {
    if (signal.aborted || isConflict(error) || isNoAnswer(error)) throw error;
    if (error instanceof RegistryUnreachable && isBrief(options, memory, rule)) return { requeueAfterSeconds: 5 };
    told = { standing: standingOfFailure(error) };
  }
  await say(options, rule, told);
  const seconds = Math.max(lookAgain[told.standing.state], options.rules.list().length / looksPerSecond);
  return { requeueAfterSeconds: jittered(seconds) };
}

async function converge(
  options: ReplicationRuleOptions,
  memory: Memory,
  { rule, signal }: { rule: ReplicationRuleResource; signal: AbortSignal },
): Promise<Told> {
  const { metadata, spec } = rule;
  // Also where no registry is there that could refuse it.
  readReplicationRule(spec);
  const ref = { kind: 'replication' as const, name: metadata.name };
  const worker = workerOf(rule, options.registries.list(metadata.namespace ?? ''));
  const connections = await connectionsOf(rule, {
    worker,
    registry: (namespace, name) => options.registries.get(namespace, name),
    secret: (namespace, name) => options.client.get<Secret>({ apiVersion: 'v1', kind: 'Secret', name, namespace }),
  });
  const registry = options.clientOf(worker);
  const document = { uid: metadata.uid ?? '', generation: metadata.generation ?? 0, spec, connections };
  const fingerprint = fingerprintOf([worker.metadata.uid, document]);
  const key = `${metadata.namespace}/${metadata.name}`;
  let found = await getRule(registry, ref, signal);
  if (memory.given.get(key) !== fingerprint || !holds(found, document) || lostCredentials(found)) {
    await putRule(registry, ref, document, signal);
    memory.given.set(key, fingerprint);
    found = await getRule(registry, ref, signal);
  }
  const state = readState(found?.state);
  const standing = standingOf(spec, document.generation, state);
  const taken = standing.reason === 'Applying' ? undefined : state;
  return { standing, state: taken, handled: await runIfAsked(rule, registry, signal) };
}

/** A new value of the annotation asks for a comparison at once. */
async function runIfAsked(
  { metadata, status }: ReplicationRuleResource,
  registry: RegistryClient,
  signal: AbortSignal,
): Promise<string | undefined> {
  const asked = metadata.annotations?.[annotations.reconcileAt]?.slice(0, 253);
  if (asked === undefined || asked === status?.lastHandledReconcileAt) return undefined;
  await runRule(registry, { kind: 'replication', name: metadata.name }, signal);
  return asked;
}

/** Whether the registry has this very rule: one whose database was put back to an earlier day may not. */
function holds(found: Rule | undefined, { uid, generation }: { uid: string; generation: number }): boolean {
  return found !== undefined && found.uid === uid && found.generation === generation;
}

/** The registry could not open what it had sealed (its key is another now): it is given the credentials again. */
function lostCredentials(found: Rule | undefined): boolean {
  return readState(found?.state)?.problems.some(({ reason }) => reason === 'CredentialsLost') ?? false;
}

/** What was in force goes on being so while its registry is merely restarted. */
function isBrief(
  { now }: ReplicationRuleOptions,
  { silentSince }: Memory,
  { metadata, status }: ReplicationRuleResource,
): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True' || ready.observedGeneration !== metadata.generation) return false;
  const key = `${metadata.namespace}/${metadata.name}`;
  const at = now().getTime();
  const since = silentSince.get(key) ?? at;
  silentSince.set(key, since);
  return at - since < patienceMs;
}

function standingOfFailure(error: unknown): Standing {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof RuleRefused || error instanceof InvalidRule) {
    const text = `nothing of this spec is applied: ${error.problems.join('; ')}`;
    return { state: 'stalled', reason: 'InvalidRule', message: text.slice(0, 30_000) };
  }
  if (error instanceof Failing) return { state: 'failing', reason: error.reason, message };
  if (error instanceof RegistryUnreachable) {
    return {
      state: 'failing',
      reason: 'RegistryUnreachable',
      message: `${message}; what it was told it goes on doing`,
    };
  }
  return { state: 'failing', reason: 'ReconcileFailed', message: `${message}; it is tried again` };
}

/** The one place where a rule's status is written; events tell of what changed in it. */
async function say(
  { client, events, now }: ReplicationRuleOptions,
  rule: ReplicationRuleResource,
  told: Told,
): Promise<void> {
  const { written, object } = await applyStatus(client, rule, statusOf(rule, told), now());
  if (!written) return;
  for (const event of newsOf(rule.status?.conditions ?? [], object.status?.conditions ?? [])) {
    events.record(rule, event);
  }
}

/** The API server cannot be reached, or is in trouble itself: that says nothing about the rule. */
function isNoAnswer(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 0 || error.status === 429 || error.status >= 500);
}

/** Only ever compared: nothing of the secrets in it leaves this process. */
function fingerprintOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** A fifth more or less, so that rules do not all come up at once. */
function jittered(seconds: number): number {
  return seconds * (0.8 + Math.random() * 0.4);
}
