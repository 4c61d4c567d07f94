/** Asks a registry's pods themselves: whether they run these settings, what they hold, and why one takes no requests. */
import type { Standing } from '../runtime/conditions.ts';
import type { AskReadiness, AskRegistry, Report } from './admin-api.ts';
import type { Served } from './certificates.ts';
import { adminAudience } from './children/bootstrap.ts';
import { isReady, living, type Pod } from './health.ts';
import type { Site } from './site.ts';
import type { Findings } from './status.ts';

export interface Inquiry {
  readonly ask: AskRegistry;
  readonly site: Site;
  readonly signal: AbortSignal;
}

export interface Respondents {
  readonly pods: readonly Pod[];
  readonly served: Served | undefined;
  /** PKCS#8 PEM of the operator's key. */
  readonly key: string;
}

/** The registry serves as specified when every pod that gets requests says that it runs these settings. */
export async function inquire({ ask, site, signal }: Inquiry, found: Findings, them: Respondents): Promise<Standing> {
  const addresses = living(them.pods).flatMap((pod) => (isReady(pod) && pod.status?.podIP ? [pod.status.podIP] : []));
  if (addresses.length === 0) return progressing('PodStarting', 'the registry is starting');
  const trusted = them.served && `${them.served.bundle ?? ''}\n${them.served.certificate}`;
  const target = { key: them.key, audience: adminAudience(site), trusted };
  const answers = await Promise.allSettled(addresses.map((address) => ask({ ...target, address }, signal)));
  const reports = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  found.report = together(reports);
  const silent = answers.find((answer) => answer.status === 'rejected');
  if (silent === undefined && found.report !== undefined) return generationStanding(site, found.report);
  return unanswered(site, found, silent?.reason instanceof Error ? silent.reason.message : String(silent?.reason));
}

/** Why a pod that runs is not ready, in its own words; undefined where it does not say. */
export async function readinessOf(
  ask: AskReadiness,
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const pod = living(pods).find((each) => !isReady(each) && each.status?.containerStatuses?.[0]?.started === true);
  const address = pod?.status?.podIP;
  return address === undefined ? undefined : await ask(address, signal).catch(() => undefined);
}

/** Whether the registry was seen to serve by the settings of this very generation. */
export function isConfirmed({ registry }: Site): boolean {
  const ready = registry.status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' && ready.observedGeneration === registry.metadata.generation;
}

/** Replicas share what they report, but for the settings that each runs: the oldest count. */
function together(reports: readonly Report[]): Report | undefined {
  const [first] = reports;
  const fault = reports.find(({ settingsFault }) => settingsFault !== undefined)?.settingsFault;
  const generation = Math.min(...reports.map((report) => report.generation));
  return first && { ...first, generation, ...(fault === undefined ? {} : { settingsFault: fault }) };
}

function generationStanding(site: Site, report: Report): Standing {
  if (report.settingsFault !== undefined) {
    const text = `the registry goes on with its earlier settings, because the new ones cannot be used: ${report.settingsFault.slice(0, 700)}`;
    return { state: 'failing', reason: 'SettingsRefused', message: text };
  }
  const wanted = site.registry.metadata.generation ?? 0;
  if (report.generation >= wanted) return { state: 'ready', reason: 'Serving', message: `serving at ${site.url}` };
  return progressing('LoadingSettings', `the registry still runs the settings of generation ${report.generation}`);
}

/** A registry that ran these settings when it last answered is not called broken because one answer is missing. */
function unanswered(site: Site, found: Findings, why: string): Standing {
  if (!isConfirmed(site)) {
    return progressing('WaitingForRegistry', `the registry's pod is ready, but does not answer the operator: ${why}`);
  }
  const message = `the registry's pod does not answer the operator: ${why}; check network policies between them`;
  found.warnings.push({ type: 'AdminReachable', status: 'False', reason: 'NoAnswer', message });
  return { state: 'ready', reason: 'Serving', message: `serving at ${site.url}` };
}

function progressing(reason: string, message: string): Standing {
  return { state: 'progressing', reason, message };
}
