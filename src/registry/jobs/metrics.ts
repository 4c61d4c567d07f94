import type { MetricsRegistry } from '../../platform/metrics.ts';
import { Counter, Gauge } from '../../platform/prometheus.ts';

export interface JobMetrics {
  /** Bytes of one blob were unlinked. */
  reclaimed(bytes: number): void;
  /** Bytes were read again and compared. */
  scrubbed(bytes: number): void;
  /** A pass ended. `at`: milliseconds since the epoch. */
  ran(kind: string, result: 'success' | 'failure', at: number): void;
}

/** @param quarantined counts blobs that are out of service, when somebody scrapes; undefined where the store cannot tell now */
export function createJobMetrics(
  register: MetricsRegistry,
  quarantined: () => Promise<number | undefined>,
): JobMetrics {
  const registers = [register];
  const bytes = new Counter({
    name: 'ne_registry_reclaimed_bytes_total',
    help: 'Bytes of blobs that nobody named any more and that were removed.',
    registers,
  });
  const blobs = new Counter({
    name: 'ne_registry_reclaimed_blobs_total',
    help: 'Blobs whose bytes were removed because nobody named them any more.',
    registers,
  });
  const scrubbed = new Counter({
    name: 'ne_registry_scrubbed_bytes_total',
    help: 'Bytes that were read again and compared with their digest.',
    registers,
  });
  reportQuarantine(register, quarantined);
  const ran = runObserver(register);
  return {
    reclaimed(count) {
      bytes.inc(count);
      blobs.inc();
    },
    scrubbed: (count) => scrubbed.inc(count),
    ran,
  };
}

function reportQuarantine(register: MetricsRegistry, quarantined: () => Promise<number | undefined>): void {
  new Gauge({
    name: 'ne_registry_quarantined_blobs',
    help: 'Blobs that are out of service because their bytes are damaged or missing.',
    registers: [register],
    async collect() {
      const count = await quarantined();
      if (count !== undefined) this.set(count);
    },
  });
}

function runObserver(register: MetricsRegistry): JobMetrics['ran'] {
  const registers = [register];
  const runs = new Counter({
    name: 'ne_registry_job_runs_total',
    help: 'Passes of background work, by kind and result: success, failure.',
    labelNames: ['kind', 'result'] as const,
    registers,
  });
  const last = new Gauge({
    name: 'ne_registry_job_last_success_timestamp_seconds',
    help: 'When a pass of each kind last succeeded here, seconds since the epoch.',
    labelNames: ['kind'] as const,
    registers,
  });
  return (kind, result, at) => {
    runs.inc({ kind, result });
    if (result === 'success') last.set({ kind }, at / 1000);
  };
}
