import type { JobQueue } from '../metadata/job-queue.ts';
import type { RuleRow } from '../metadata/rules.ts';
import type { Millis } from '../metadata/store.ts';
import type { Problem, RuleBody, RuleKeeper } from '../rules/keeper.ts';
import { type Clusters, shownCluster } from './clusters.ts';
import { stateOf } from './state.ts';

/** Kind of the jobs that ask for one policy (`key`) to be evaluated now. */
export const runJob = 'retention-run';

export interface RetentionKeeperParts {
  readonly queue: Pick<JobQueue, 'enqueueJob'>;
  readonly clusters: Clusters;
  /** Asks the worker to look at the policies. */
  wake(): void;
  now(): Millis;
}

/** Retention policies, as the admin API knows them. What reads them is loaded with the first one. */
export function retentionKeeper({ queue, clusters, wake, now }: RetentionKeeperParts): RuleKeeper {
  return {
    kind: 'retention',
    validate: (body) => problemsOf(body, now()),
    document: ({ spec }) => JSON.stringify({ spec }),
    spec: (row) => specOf(row),
    async state(row) {
      const { own: _, problems, ...shown } = stateOf(row);
      const listed = await clusters.listed();
      return {
        ...shown,
        problems: [...problems, ...problemsOfReports(listed), ...(await problemsOfRules(row))],
        ...(listed.length > 0 && { inUse: { clusters: listed.map(shownCluster) } }),
      };
    },
    changed: wake,
    async run(name) {
      await queue.enqueueJob({ kind: runJob, key: name, payload: '{}', runAt: now(), now: now() });
      wake();
    },
  };
}

/** `spec` as it was PUT. */
export function specOf({ document }: Pick<RuleRow, 'document'>): unknown {
  return (JSON.parse(document) as { spec: unknown }).spec;
}

async function problemsOf({ name, spec }: RuleBody, now: Millis): Promise<readonly string[]> {
  const { readSpec } = await import('./spec.ts');
  const { InvalidPolicy } = await import('../../domain/retention/policy.ts');
  const tooLong = name.length > 63 ? ['metadata.name: must be no longer than 63 characters'] : [];
  try {
    readSpec(spec, now);
    return tooLong;
  } catch (error) {
    if (error instanceof InvalidPolicy) return [...tooLong, ...error.problems];
    throw error;
  }
}

/** Until a cluster has reported once, nobody knows what it runs. */
function problemsOfReports(listed: Awaited<ReturnType<Clusters['listed']>>): Problem[] {
  const silent = listed.filter(({ report }) => report === undefined).map(({ name }) => name);
  const stale = listed.filter((cluster) => cluster.stale).map(({ name }) => name);
  const problems: Problem[] = [];
  if (silent.length > 0)
    problems.push({
      type: 'WaitingForInventory',
      reason: 'WaitingForInventory',
      message: `nothing expires until each cluster of spec.inUse.clusters has reported what it runs; missing: ${some(silent)}. Is the operator there running, and told of this registry? A cluster that is gone for good has to be taken off the list`,
    });
  if (stale.length > 0)
    problems.push({
      type: 'InventoryStale',
      reason: 'InventoryStale',
      message: `the last report is too old of: ${some(stale)}. What it named, and everything that was pulled since, stays; the rest goes on expiring`,
    });
  return problems;
}

async function problemsOfRules(row: RuleRow): Promise<Problem[]> {
  const text = JSON.stringify(specOf(row));
  // Most policies have never heard of it.
  if (!text.includes('transition') && !text.includes('archive')) return [];
  const { readSpec } = await import('./spec.ts');
  const rules = readSpec(specOf(row), row.changedAt).policy.rules;
  const meant = rules.filter(({ action, storageClass }) => action === 'transition' || storageClass === 'archive');
  if (meant.length === 0) return [];
  const message = `there is no archive here: the images of the rules with the priorities ${meant.map(({ priority }) => priority).join(', ')} are kept`;
  return [{ type: 'ArchiveNotAvailable', reason: 'ArchiveNotAvailable', message }];
}

/** The first ten names. */
function some(names: readonly string[]): string {
  return names.length <= 10 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
}
