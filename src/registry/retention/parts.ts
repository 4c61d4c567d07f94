import type { Log } from '../../platform/log.ts';
import type { MetadataStore, Millis } from '../metadata/store.ts';
import type { RecordStore } from '../storage/records.ts';
import type { Places } from '../stores.ts';
import type { Clusters, InUseSettings } from './clusters.ts';
import type { RetentionMetrics } from './metrics.ts';

/** What the retention worker is given. */
export interface RetentionParts {
  readonly metadata: MetadataStore;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly metrics: RetentionMetrics;
  readonly clusters: Clusters;
  /** Where the stores are: the thread that plans opens its own. */
  readonly places: Places;
  /** Names this process among those that share the database. */
  readonly worker: string;
  inUse(): InUseSettings;
  /** Whole plans are kept here. Opened with the first. */
  records(): Promise<RecordStore>;
  /** Writes what is known of pulls. */
  flushPulls(): Promise<void>;
  /** Milliseconds since the epoch. */
  now(): Millis;
}
