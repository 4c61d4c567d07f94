/** Reconciles one RetentionPolicy: guard, hand it to its Registry, read back what came of it, say so. */
import { messageOf } from '../../platform/fatal.ts';
import type { Cached } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict, KubeError } from '../kube/error.ts';
import type { RegistryResource } from '../registry/resource.ts';
import { type RegistryClient, RegistryUnreachable } from '../registry-client/client.ts';
import type { ClientOf } from '../registry-client/clients.ts';
import { getRule, putRule, RuleRefused, runRule } from '../registry-client/rules.ts';
import { problemsIn } from '../rules/state.ts';
import type { Standing } from '../runtime/conditions.ts';
import type { Reconcile, ReconcileResult } from '../runtime/controller.ts';
import { Stalled } from '../runtime/errors.ts';
import type { Events } from '../runtime/events.ts';
import { applyStatus } from '../runtime/status.ts';
import { Attention } from './attention.ts';
import { News } from './news.ts';
import { isMissing, registryOf } from './registry-of.ts';
import type { RetentionPolicyResource } from './resource.ts';
import { readPolicyState } from './state.ts';
import { askedToRun, type Findings, inForce, statusOf } from './status.ts';
import { violationsOf } from './violations.ts';

export interface RetentionPolicyOptions {
  readonly client: Pick<KubeClient, 'patch'>;
  readonly policies: Cached<RetentionPolicyResource>;
  readonly registries: Cached<RegistryResource>;
  readonly clientOf: ClientOf;
  readonly events: Events;
  readonly now: () => Date;
}

interface Run extends RetentionPolicyOptions {
  readonly policy: RetentionPolicyResource;
  readonly attention: Attention;
  readonly news: News;
  readonly signal: AbortSignal;
}

export function retentionPolicyReconciler(options: RetentionPolicyOptions): Reconcile {
  const attention = new Attention();
  const news = new News(options.events, options.now());
  return async ({ namespace, name }, signal) => {
    const policy = options.policies.get(namespace, name);
    // The registry forgets a policy that is gone with the next look at the Registry.
    if (policy === undefined || policy.metadata.deletionTimestamp !== undefined) {
      attention.forget(`${namespace}/${name}`);
      news.forget(`${namespace}/${name}`);
      return;
    }
    return await advance({ ...options, attention, news, policy, signal });
  };
}

async function advance(run: Run): Promise<ReconcileResult> {
  const { policy, registries, clientOf, signal, now } = run;
  const found: Findings = { warnings: [] };
  const problems = violationsOf(policy.spec, now());
  if (problems.length > 0) return await stall(run, found, problems);
  const registry = registryOf(policy, registries.list(policy.metadata.namespace));
  // A Registry that comes, goes or is renamed brings the policy back here.
  if (isMissing(registry)) return await say(run, found, { state: 'failing', ...registry });
  try {
    const standing = await carryOut(run, found, clientOf(registry));
    await say(run, found, standing);
    return { requeueAfterSeconds: run.attention.secondsUntilNextLook(policy, found.state, run) };
  } catch (error) {
    if (signal.aborted || isConflict(error) || error instanceof KubeError) throw error;
    if (error instanceof RuleRefused) return await stall(run, found, error.problems);
    await say(run, found, unanswered(policy, found, error));
    if (error instanceof RegistryUnreachable) return { requeueAfterSeconds: 10 };
    throw error;
  }
}

async function carryOut(run: Run, found: Findings, registry: RegistryClient): Promise<Standing> {
  const { policy, signal } = run;
  const { name, uid = '', generation = 0 } = policy.metadata;
  const ref = { kind: 'retention', name } as const;
  let rule = await getRule(registry, ref, signal);
  if (rule === undefined || rule.uid !== uid || rule.generation < generation) {
    await putRule(registry, ref, { uid, generation, spec: policy.spec }, signal);
    run.attention.attend(policy, run);
    rule = await getRule(registry, ref, signal);
  }
  const asked = askedToRun(policy);
  if (asked !== undefined) {
    await runRule(registry, ref, signal);
    found.handled = asked;
    run.attention.attend(policy, run);
  }
  found.state = readPolicyState(rule?.state);
  found.problems = problemsIn(rule?.state);
  run.news.tell(policy, rule?.state);
  return inForce(policy, found);
}

/** Nothing but another spec helps. What the registry had of an earlier one stays in force there, and the message says so. */
async function stall(run: Run, found: Findings, problems: readonly string[]): Promise<ReconcileResult> {
  const message = `nothing of this spec is applied: ${problems.join('; ')}`.slice(0, 30_000);
  await say(run, found, { state: 'stalled', reason: 'InvalidPolicy', message });
  throw new Stalled('InvalidPolicy', message.slice(0, 1000));
}

/** A registry that carried this generation out when it last answered goes on doing so while it cannot be asked. */
function unanswered(policy: RetentionPolicyResource, found: Findings, error: unknown): Standing {
  const message = messageOf(error);
  const ready = policy.status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status === 'True' && ready.observedGeneration === policy.metadata.generation) {
    found.warnings.push({ type: 'RegistryUnreachable', reason: 'NoAnswer', message });
    return { state: 'ready', reason: ready.reason, message: ready.message };
  }
  return { state: 'progressing', reason: 'WaitingForRegistry', message };
}

/** The one place where a policy's status is written; an event tells of every change of where it stands. */
async function say(run: Run, found: Findings, standing: Standing): Promise<ReconcileResult> {
  const { client, policy, events, news, now } = run;
  const before = policy.status?.conditions?.find(({ type }) => type === 'Ready');
  const { written, object } = await applyStatus(client, policy, statusOf(policy, standing, found), now());
  if (written && found.state !== undefined) news.tellProgress(policy, found.state);
  const after = object.status?.conditions?.find(({ type }) => type === 'Ready');
  if (written && (before?.status !== after?.status || before?.reason !== after?.reason)) {
    const bad = standing.state === 'failing' || standing.state === 'stalled';
    events.record(policy, { type: bad ? 'Warning' : 'Normal', reason: standing.reason, note: standing.message });
  }
  return {};
}
