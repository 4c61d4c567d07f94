/** Brings everything that belongs to a Registry into shape, in order, and finds out where it stands. */

import { isKindNotServed, KubeError } from '../kube/error.ts';
import { type KubeObject, refOf } from '../kube/object.ts';
import type { Standing } from '../runtime/conditions.ts';
import { applyChild, prune } from './apply.ts';
import { keepCertificate, type Served } from './certificates.ts';
import { renderBootstrap } from './children/bootstrap.ts';
import { renderBundle } from './children/bundle.ts';
import { renderDisruptionBudget } from './children/disruption-budget.ts';
import { renderIngress } from './children/ingress.ts';
import { renderNetworkPolicy } from './children/network-policy.ts';
import { renderServiceAccount } from './children/service-account.ts';
import { renderServiceMonitor, serviceMonitorKind } from './children/service-monitor.ts';
import { renderGoverningService, renderNodeService, renderService, type Service } from './children/services.ts';
import { renderWorkers } from './children/workers.ts';
import { renderWorkload } from './children/workload.ts';
import { keepClaim, requireBackupClaim } from './claims.ts';
import { Failing } from './failing.ts';
import { living, type Pod, type Workload } from './health.ts';
import { inquire } from './inquiry.ts';
import { keepAdministrator, keepKeys, keepReplicationUser, mountedVersion, requireSecrets } from './materials.ts';
import { annotations, type RegistryComponent } from './names.ts';
import { keepNodeAccess } from './node-access.ts';
import type { Memory, RegistryReconcilerOptions } from './reconcile.ts';
import { keepReporters } from './reporters.ts';
import type { Site } from './site.ts';
import type { Findings } from './status.ts';
import { verdictOf } from './verdict.ts';
import { nodeAddresses, podsOf } from './view.ts';
import { storageWarnings, tlsWarnings } from './warnings.ts';
import { withWorkers } from './workers.ts';

export interface Convergence extends RegistryReconcilerOptions {
  readonly memory: Memory;
  readonly site: Site;
  readonly signal: AbortSignal;
}

/** Throws Failing or Stalled where it cannot go on; what was found until then is in `found`. */
export async function converge(run: Convergence, found: Findings): Promise<Standing> {
  const { site, client } = run;
  await requireSecrets(client, site);
  await requireBackupClaim(run);
  const claim = await keepClaim(run);
  const served = await certificate(run, found);
  const keys = await keepKeys(client, site);
  const users = { client, site, checked: run.memory.administrators };
  await keepAdministrator(users, await keepReplicationUser(users));
  const reporting = { key: keys['admin.key'], bundle: served?.bundle };
  found.reporters = await keepReporters(client, site, reporting, run.memory.reporters);
  const { workload, workers, nodeService } = await applyChildren(run, served);
  found.workload = workload;
  await monitor(run, found);
  found.warnings.push(...storageWarnings(site, claim, undefined));

  const pods = podsOf(run.view, site, 'registry');
  await tellPods(run, pods, 'registry');
  if (workers !== undefined) await tellPods(run, podsOf(run.view, site, 'workers'), 'workers');
  const { standing: blocked, degraded } = await verdictOf(run, { workload, pods, claim, of: 'registry' });
  found.degraded = degraded;
  const standing = blocked ?? degrade(found, await inquire(run, found, { served, pods, key: keys['admin.key'] }));
  if (blocked === undefined) found.warnings.push(...storageWarnings(site, undefined, found.report));
  const whole = await withWorkers(run, found, { workers, standing });
  return await withNodes(run, found, { served, nodeService, standing: whole });
}

/** It serves, but who reads only the one line should know that some of its pods do not. */
function degrade({ degraded, warnings }: Findings, standing: Standing): Standing {
  if (degraded === undefined) return standing;
  warnings.push({ type: 'Degraded', status: 'True', reason: 'ReplicasNotReady', message: degraded });
  return standing.state === 'ready' ? { ...standing, message: `${standing.message}, but ${degraded}` } : standing;
}

async function certificate(run: Convergence, found: Findings): Promise<Served | undefined> {
  const { client, site, view, now, events } = run;
  const served = await keepCertificate({ client, site, now: now(), nodeAddresses: nodeAddresses(view, site) });
  found.bundle = served?.bundle;
  found.expires = served?.expires;
  found.warnings.push(...tlsWarnings(site, served));
  for (const note of served?.news ?? []) {
    events.record(site.registry, { type: 'Normal', reason: 'CertificateChanged', note });
  }
  return served;
}

interface Applied {
  readonly workload: Workload;
  /** Absent where the registry's own pods do the long work. */
  readonly workers: Workload | undefined;
  readonly nodeService: Service | undefined;
}

/** Applies what goes with the Registry, the workloads last, and removes what is no longer asked for. */
async function applyChildren(run: Convergence, served: Served | undefined): Promise<Applied> {
  const { site } = run;
  const nodeService = renderNodeService(site);
  const workload = renderWorkload(site);
  const workers = renderWorkers(site);
  const others = [
    renderServiceAccount(site),
    renderService(site),
    renderGoverningService(site),
    renderBundle(site, served?.bundle),
    renderBootstrap(site),
    renderNetworkPolicy(site),
    renderDisruptionBudget(site),
    renderIngress(site),
  ].filter((child) => child !== undefined);
  for (const child of others) await applyChild(run, child);
  const applied = {
    nodeService: nodeService && ((await applyChild(run, nodeService)) as Service),
    workload: (await applyChild(run, workload)) as Workload,
    workers: await applyWorkers(run, workers),
  };
  await prune(run, [...others, workload, ...workers, ...(nodeService === undefined ? [] : [nodeService])]);
  return applied;
}

/** @returns the Deployment, which is the last of them */
async function applyWorkers(run: Convergence, children: readonly KubeObject[]): Promise<Workload | undefined> {
  let last: Workload | undefined;
  for (const child of children) last = (await applyChild(run, child)) as Workload;
  return last;
}

/** A ServiceMonitor needs a CRD that not every cluster has: its lack is a warning, and stops nothing. */
async function monitor(run: Convergence, found: Findings): Promise<void> {
  const { client, site } = run;
  const desired = renderServiceMonitor(site);
  const warning = { type: 'ServiceMonitorReady', status: 'False' as const };
  try {
    if (desired !== undefined) await applyChild(run, desired);
    else if (await client.serves(serviceMonitorKind)) await removeMonitor(run);
  } catch (error) {
    if (isKindNotServed(error)) {
      const message =
        'the cluster does not know the kind ServiceMonitor: install the Prometheus operator, or leave out spec.metrics.serviceMonitor';
      found.warnings.push({ ...warning, reason: 'KindNotServed', message });
    } else if (desired === undefined) return;
    else if (error instanceof Failing)
      found.warnings.push({ ...warning, reason: error.reason, message: error.message });
    else throw error;
  }
}

async function removeMonitor({ client, site }: Convergence): Promise<void> {
  const ref = { ...serviceMonitorKind, name: site.names.serviceMonitor, namespace: site.namespace };
  const live = await client.get(ref);
  const uid = site.registry.metadata.uid;
  if (live?.metadata.ownerReferences?.some((owner) => owner.uid === uid)) await client.delete(refOf(live));
}

/** Makes the kubelet hand a changed Secret over at once: it looks after a pod whenever the pod's annotations change. */
async function tellPods(
  { client, site }: Convergence,
  pods: readonly Pod[],
  component: RegistryComponent,
): Promise<void> {
  const running = living(pods).filter(({ status }) => status?.phase === 'Running');
  if (running.length === 0) return;
  const version = await mountedVersion(client, site, component);
  for (const pod of running) {
    if (pod.metadata.annotations?.[annotations.mounted] === version) continue;
    try {
      await client.patch(refOf(pod), { metadata: { annotations: { [annotations.mounted]: version } } });
    } catch (error) {
      // Gone in this moment: the pod that takes its place mounts what is there.
      if (!(error instanceof KubeError && error.status === 404)) throw error;
    }
  }
}

/** Nodes are set up beside the rest; a Registry is not ready before they first are. */
async function withNodes(
  run: Convergence,
  found: Findings,
  {
    served,
    nodeService,
    standing,
  }: { served: Served | undefined; nodeService: Service | undefined; standing: Standing },
): Promise<Standing> {
  const { site, view, now } = run;
  if (!site.configuresNodes) return standing;
  const addresses = nodeAddresses(view, site);
  const covered = addresses.length > 0 && addresses.every((address) => !served?.uncovered.includes(address));
  const routed = site.tls !== 'Secret' || covered;
  const { warning, starting } = await keepNodeAccess(run, nodeService, {
    routed,
    trusted: served?.bundle !== undefined,
    now: now(),
  });
  found.warnings.push(warning);
  if (standing.state !== 'ready' || warning.status === 'True') return standing;
  if (starting) return progressing('ConfiguringNodes', warning.message);
  // It serves whoever reaches it, but who reads only the one line should know that nodes do not.
  return { ...standing, message: `${standing.message}, but not to every node: ${warning.message}` };
}

function progressing(reason: string, message: string): Standing {
  return { state: 'progressing', reason, message };
}
