import type { MetricsRegistry } from '../platform/metrics.ts';
import { Counter, Gauge } from '../platform/prometheus.ts';
import { requestObserver } from './request-metrics.ts';

/** One finished request. No repository, tag or digest: the number of series must not grow with the content. */
export interface RequestSample {
  /** A name from a fixed set, such as `manifest` or `token`. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
}

export interface RegistryMetrics {
  observe(sample: RequestSample): void;
  readonly uploadsInProgress: Gauge;
  reloaded(result: 'taken' | 'failed'): void;
  /** A password was checked against a hash (not remembered from before), or refused for want of room. */
  passwordChecked(result: 'right' | 'wrong' | 'refused'): void;
}

/** What is asked only when somebody scrapes. */
export interface ScrapeSources {
  /** Bytes that the API's connections carried so far, encryption and headers included. */
  traffic(): { received: number; sent: number };
  /** Undefined where the stores do not know now. */
  storage(): Promise<{ usedBytes: number; freeBytes: number | undefined; reclaimableBytes: number } | undefined>;
}

/** Seconds; from an answer out of memory to a layer over a slow line. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export function createRegistryMetrics(register: MetricsRegistry, sources: ScrapeSources): RegistryMetrics {
  const registers = [register];
  reportTraffic(register, sources);
  reportStorage(register, sources);
  const passwords = new Counter({
    name: 'ne_registry_password_checks_total',
    help: 'Passwords checked against a hash (not remembered), by result: right, wrong, refused.',
    labelNames: ['result'] as const,
    registers,
  });
  return {
    observe: requestObserver(register, buckets),
    uploadsInProgress: new Gauge({
      name: 'ne_registry_uploads_in_progress',
      help: 'Requests that carry bytes of an upload now.',
      registers,
    }),
    reloaded: reloadObserver(register),
    passwordChecked: (result) => passwords.inc({ result }),
  };
}

function reloadObserver(register: MetricsRegistry): (result: 'taken' | 'failed') => void {
  const registers = [register];
  const failures = new Counter({
    name: 'ne_config_reload_failures_total',
    help: 'New configurations that could not be used; the one before kept running.',
    registers,
  });
  const good = new Gauge({
    name: 'ne_config_last_reload_successful',
    help: '1 where what the configuration files say is what runs.',
    registers,
  });
  good.set(1);
  return (result) => {
    if (result === 'failed') failures.inc();
    good.set(result === 'failed' ? 0 : 1);
  };
}

function reportTraffic(register: MetricsRegistry, sources: ScrapeSources): void {
  const last = { received: 0, sent: 0 };
  const counter = new Counter({
    name: 'ne_registry_bytes_total',
    help: 'Bytes over the connections of the API, by direction.',
    labelNames: ['direction'] as const,
    registers: [register],
    collect() {
      const now = sources.traffic();
      for (const direction of ['received', 'sent'] as const) {
        counter.inc({ direction }, Math.max(0, now[direction] - last[direction]));
        last[direction] = now[direction];
      }
    },
  });
}

type Storage = NonNullable<Awaited<ReturnType<ScrapeSources['storage']>>>;

/** Each gauge asks for itself, because a scrape reads them all at once; the source remembers its answer for a while. */
function reportStorage(register: MetricsRegistry, sources: ScrapeSources): void {
  const gauge = (name: string, help: string, pick: (storage: Storage) => number | undefined) =>
    new Gauge({
      name,
      help,
      registers: [register],
      async collect() {
        const storage = await sources.storage();
        const value = storage && pick(storage);
        if (value !== undefined) this.set(value);
      },
    });
  gauge('ne_storage_used_bytes', 'Bytes of the blobs that are named, each counted once.', (now) => now.usedBytes);
  gauge('ne_storage_free_bytes', 'Bytes free where blobs are stored.', (now) => now.freeBytes);
  gauge('ne_storage_reclaimable_bytes', 'Bytes that reclaiming may free.', (now) => now.reclaimableBytes);
}
