/** How a workload and its pods do, asked as deeply as it takes. */
import type { KubeClient } from '../kube/client.ts';
import type { AskReadiness } from './admin-api.ts';
import type { VolumeClaim } from './children/volume-claim.ts';
import { isReady, judgeWorkload, living, type Observation, type Pod, type Verdict, type Workload } from './health.ts';
import { readIncidents } from './incidents.ts';
import { isConfirmed, readinessOf } from './inquiry.ts';
import type { Site } from './site.ts';

export interface Seen {
  readonly workload: Workload;
  readonly pods: Pod[];
  readonly claim: VolumeClaim | undefined;
  readonly of: Observation['of'];
}

/** Events are read, and pods asked, only where something is not well. */
export async function verdictOf({ client, site, askReadiness, signal }: VerdictParts, seen: Seen): Promise<Verdict> {
  const observation = { ...seen, image: site.image, confirmed: isConfirmed(site), incidents: [] };
  const verdict = judgeWorkload(observation);
  if (verdict.standing === undefined && verdict.degraded === undefined) return verdict;
  const said = await readinessOf(askReadiness, seen.pods, signal);
  const pod = living(seen.pods).find((each) => !isReady(each));
  const incidents =
    pod?.status?.phase === 'Running'
      ? []
      : await readIncidents(client, [
          { what: 'workload', object: seen.workload },
          { what: 'pod', object: pod },
          { what: 'claim', object: seen.claim },
        ]);
  return judgeWorkload({ ...observation, incidents, ...(said === undefined ? {} : { said }) });
}

export interface VerdictParts {
  readonly client: KubeClient;
  readonly site: Site;
  readonly askReadiness: AskReadiness;
  readonly signal: AbortSignal;
}
