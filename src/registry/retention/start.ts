import type { Log } from '../../platform/log.ts';
import type { MetricsRegistry } from '../../platform/metrics.ts';
import type { Work } from '../jobs/work.ts';
import type { MetadataStore, Millis } from '../metadata/store.ts';
import type { RuleKeeper } from '../rules/keeper.ts';
import type { RecordStore } from '../storage/records.ts';
import type { Places } from '../stores.ts';
import { Clusters, type InUseSettings } from './clusters.ts';
import type { RetentionDesk } from './desk.ts';
import { retentionKeeper } from './keeper.ts';
import { createRetentionMetrics } from './metrics.ts';
import type { RetentionParts } from './parts.ts';
import { retentionWork } from './work.ts';

/** Retention of a running registry. Whatever reads policies or plans is loaded with the first policy. */
export interface Retention {
  readonly clusters: Clusters;
  readonly keeper: RuleKeeper;
  readonly work: Work;
  /** Answers people's questions. */
  desk(): Promise<RetentionDesk>;
  close(): Promise<void>;
}

export function startRetention(options: {
  readonly metadata: MetadataStore;
  readonly places: Places;
  readonly register: MetricsRegistry;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly worker: string;
  inUse(): InUseSettings;
  openRecords(): Promise<RecordStore>;
  flushPulls(): Promise<void>;
  /** Asks the worker to look at the policies. */
  wake(): void;
  now(): Millis;
}): Retention {
  const { metadata, register, inUse, openRecords, now, wake } = options;
  const clusters = new Clusters({ metadata, settings: inUse, now });
  let opened: Promise<RecordStore> | undefined;
  const records = () => {
    opened ??= openRecords();
    return opened;
  };
  const parts: RetentionParts = {
    ...options,
    clusters,
    records,
    metrics: createRetentionMetrics(register, { clusters, now }),
  };
  let desk: RetentionDesk | undefined;
  return {
    clusters,
    keeper: retentionKeeper({ queue: metadata, clusters, wake, now }),
    work: retentionWork(parts),
    async desk() {
      const { RetentionDesk } = await import('./desk.ts');
      desk ??= new RetentionDesk(parts);
      return desk;
    },
    close: async () => (await opened)?.close(),
  };
}
