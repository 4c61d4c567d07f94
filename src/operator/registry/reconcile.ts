/** Reconciles one Registry: guard, make the materials, apply the children, look how they do, say so. */
import type { KubeClient } from '../kube/client.ts';
import { isConflict, KubeError } from '../kube/error.ts';
import type { Standing } from '../runtime/conditions.ts';
import type { Reconcile, ReconcileResult } from '../runtime/controller.ts';
import { Stalled } from '../runtime/errors.ts';
import type { Events } from '../runtime/events.ts';
import { applyStatus } from '../runtime/status.ts';
import type { AskReadiness, AskRegistry } from './admin-api.ts';
import { renewCertificate } from './certificates.ts';
import { converge } from './converge.ts';
import { Failing } from './failing.ts';
import { childNames, registryLabel } from './names.ts';
import { cleanUpNodes } from './node-access.ts';
import type { ReporterMemory } from './reporters.ts';
import type { RegistryResource } from './resource.ts';
import { type Site, siteOf } from './site.ts';
import { type Findings, statusOf, suspendedStatus } from './status.ts';
import { unsupportedSettings } from './support.ts';
import { nodeAddresses, type View } from './view.ts';

export interface RegistryReconcilerOptions {
  readonly client: KubeClient;
  readonly view: View;
  readonly events: Events;
  readonly ask: AskRegistry;
  readonly askReadiness: AskReadiness;
  readonly now: () => Date;
  /** The image of Registries that name none. */
  readonly defaultImage: string;
  readonly operatorNamespace: string | undefined;
  /** What ReplicationRules want of a Registry. */
  readonly replication: (registry: RegistryResource) => { readonly replicates: boolean; readonly replicated: boolean };
}

/** What is remembered of Registries between reconciles; losing it costs a little work and nothing else. */
export interface Memory {
  /** When cleaning up nodes began, by `namespace/name`. */
  readonly cleaningSince: Map<string, Date>;
  /** What administrator Secrets held when their hash was last compared. */
  readonly administrators: Map<string, string>;
  readonly reporters: ReporterMemory;
}

/** Seconds until a Registry is looked at again though nothing is known to have changed. */
const lookAgain = { ready: 30, progressing: 3, failing: 10, stalled: 60, suspended: 3600 } as const;

export function registryReconciler(options: RegistryReconcilerOptions): Reconcile {
  const memory: Memory = { cleaningSince: new Map(), administrators: new Map(), reporters: new Map() };
  return async ({ namespace, name }, signal) => {
    const registry = options.view.registries.get(namespace, name);
    if (registry === undefined || registry.metadata.deletionTimestamp !== undefined) {
      // What it owns goes by itself; what its agents wrote on nodes does not.
      memory.administrators.delete(`${namespace}/${name}`);
      memory.administrators.delete(`${namespace}/${childNames(name).replicationUser}`);
      return (await withoutAgents(options, memory, { namespace, name })) ? {} : { requeueAfterSeconds: 2 };
    }
    if (registry.spec.suspend === true) return await suspend(options, registry);
    return await advance(options, memory, { registry, signal });
  };
}

async function advance(
  options: RegistryReconcilerOptions,
  memory: Memory,
  { registry, signal }: { registry: RegistryResource; signal: AbortSignal },
): Promise<ReconcileResult> {
  const found: Findings = { warnings: [] };
  try {
    const refused = unsupportedSettings(registry.spec);
    if (refused.length > 0) throw new Stalled('SettingNotSupported', refusedMessage(refused));
    const site = siteFor(options, registry);
    found.site = site;
    if (site.configuresNodes) memory.cleaningSince.delete(`${site.namespace}/${site.name}`);
    else await withoutAgents(options, memory, site);
    const standing = await converge({ ...options, memory, site, signal }, found);
    await say(options, registry, { standing, found });
    return { requeueAfterSeconds: jittered(lookAgain[standing.state]) };
  } catch (error) {
    if (signal.aborted || isConflict(error) || isNoAnswer(error)) throw error;
    const standing = standingOf(error);
    await renew(options, siteFor(options, registry), found);
    await say(options, registry, { standing, found });
    if (error instanceof Failing) return { requeueAfterSeconds: jittered(lookAgain.failing) };
    throw error;
  }
}

/** Cleans up after the agents of a Registry that has none, or is gone; true when nothing is left to do. */
async function withoutAgents(
  { client, view, events, now }: RegistryReconcilerOptions,
  memory: Memory,
  { namespace, name }: { namespace: string; name: string },
): Promise<boolean> {
  const key = `${namespace}/${name}`;
  const live = view.children.get('DaemonSet')?.get(namespace, childNames(name).nodeAccess);
  if (live === undefined || live.metadata.labels?.[registryLabel] !== name) {
    memory.cleaningSince.delete(key);
    return true;
  }
  const since = memory.cleaningSince.get(key) ?? now();
  memory.cleaningSince.set(key, since);
  return await cleanUpNodes(live, { client, events, since, now: now() });
}

async function suspend(options: RegistryReconcilerOptions, registry: RegistryResource): Promise<ReconcileResult> {
  const found: Findings = { warnings: [] };
  await renew(options, siteFor(options, registry), found);
  await applyStatus(options.client, registry, suspendedStatus(registry, found), options.now());
  return { requeueAfterSeconds: jittered(lookAgain.suspended) };
}

/** A certificate that is due is renewed whatever holds the rest up; where that fails it is tried again with the rest. */
async function renew(options: RegistryReconcilerOptions, site: Site, found: Findings): Promise<void> {
  const { client, view, now, events } = options;
  try {
    const served = await renewCertificate({ client, site, now: now(), nodeAddresses: nodeAddresses(view, site) });
    if (served === undefined) return;
    found.bundle = served.bundle;
    found.expires = served.expires;
    for (const note of served.news) {
      events.record(site.registry, { type: 'Normal', reason: 'CertificateChanged', note });
    }
  } catch (error) {
    if (!(error instanceof Failing || error instanceof KubeError)) throw error;
  }
}

/** The one place where a Registry's status is written; an event tells of every change of where it stands. */
async function say(
  { client, events, now }: RegistryReconcilerOptions,
  registry: RegistryResource,
  { standing, found }: { standing: Standing; found: Findings },
): Promise<void> {
  const before = registry.status?.conditions?.find(({ type }) => type === 'Ready');
  const { written, object } = await applyStatus(client, registry, statusOf(registry, standing, found), now());
  const after = object.status?.conditions?.find(({ type }) => type === 'Ready');
  if (!written || (before?.status === after?.status && before?.reason === after?.reason)) return;
  const bad = standing.state === 'failing' || standing.state === 'stalled';
  events.record(registry, { type: bad ? 'Warning' : 'Normal', reason: standing.reason, note: standing.message });
}

function standingOf(error: unknown): Standing {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Stalled) return { state: 'stalled', reason: error.reason, message };
  if (error instanceof Failing) return { state: 'failing', reason: error.reason, message };
  return { state: 'failing', reason: 'ReconcileFailed', message: `${message}; it is tried again` };
}

/** The API server cannot be reached, or is in trouble itself: that says nothing about the Registry. */
function isNoAnswer(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 0 || error.status === 429 || error.status >= 500);
}

function siteFor(options: RegistryReconcilerOptions, registry: RegistryResource): Site {
  const { defaultImage, operatorNamespace, replication } = options;
  const operator = operatorNamespace === undefined ? {} : { operatorNamespace };
  return siteOf({ registry, defaultImage, ...operator, ...replication(registry) });
}

function refusedMessage(fields: string[]): string {
  const list = fields.join(', ');
  return `this version cannot carry out ${list}: nothing was changed; remove ${fields.length === 1 ? 'it' : 'them'}, or use a version that can`;
}

/** A fifth more or less, so that Registries do not all come up at once. */
function jittered(seconds: number): number {
  return seconds * (0.8 + Math.random() * 0.4);
}
