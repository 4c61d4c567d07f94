import type { KeyObject } from 'node:crypto';
import type { JobQueue } from '../metadata/job-queue.ts';
import type { Millis } from '../metadata/store.ts';
import type { RuleBody, RuleKeeper } from '../rules/keeper.ts';
import { stateOf } from './state.ts';

/** Kinds of the jobs by which a rule (`key`) is compared, or tried again, by whoever carries the rules out. */
export const runJob = 'replication-run';
export const retryJob = 'replication-retry';

export interface ReplicationKeeperParts {
  readonly queue: Pick<JobQueue, 'enqueueJob'>;
  key(): KeyObject;
  /** A rule, or a job, is there to be looked at. */
  wake(): void;
  now(): Millis;
}

/** Rules of replication, as the admin API knows them. What reads them is loaded with the first one. */
export function replicationKeeper(parts: ReplicationKeeperParts): RuleKeeper {
  const { key, wake } = parts;
  return {
    kind: 'replication',
    validate: async (body) => (await import('./document.ts')).problemsOf(body),
    document: async (body: RuleBody) => (await import('./document.ts')).documentOf(body, key()),
    spec: ({ document }) => (JSON.parse(document) as { spec: unknown }).spec,
    state(row) {
      const { peers: _, ...shown } = stateOf(row) ?? { targets: [], problems: [] };
      return shown;
    },
    changed: wake,
    run: (name) => ask(parts, runJob, name),
  };
}

/** Leaves a job for whoever carries the rules out. */
export async function ask({ queue, now, wake }: ReplicationKeeperParts, kind: string, name: string): Promise<void> {
  await queue.enqueueJob({ kind, key: name, payload: '{}', runAt: now(), now: now() });
  wake();
}
