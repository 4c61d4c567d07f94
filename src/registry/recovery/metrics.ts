import type { MetricsRegistry } from '../../platform/metrics.ts';
import { Counter, Gauge } from '../../platform/prometheus.ts';

export interface RecoverySources {
  lagSeconds(): number;
  /** Milliseconds since the epoch; undefined where there was none. */
  lastBackup(): Promise<number | undefined>;
}

/** Reports how safe the metadata is. @returns what to call when a snapshot failed */
export function recoveryMetrics(register: MetricsRegistry, sources: RecoverySources): () => void {
  const registers = [register];
  new Gauge({
    name: 'ne_registry_journal_lag_seconds',
    help: 'Age of the oldest change that is not in the journal yet; 0 where all are.',
    registers,
    collect() {
      this.set(sources.lagSeconds());
    },
  });
  new Gauge({
    name: 'ne_registry_last_backup_timestamp_seconds',
    help: 'When the newest snapshot in the second place was taken, seconds since the epoch; 0 where there is none.',
    registers,
    async collect() {
      this.set(((await sources.lastBackup().catch(() => undefined)) ?? 0) / 1000);
    },
  });
  const failures = new Counter({
    name: 'ne_registry_backup_failures_total',
    help: 'Snapshots that failed.',
    registers,
  });
  return () => failures.inc();
}
