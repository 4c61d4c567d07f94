import type { MetricsRegistry } from '../platform/metrics.ts';
import { Counter } from '../platform/prometheus.ts';
import type { RequestSample } from './metrics.ts';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'other'] as const;
const other = methods.length - 1;
/** Room for the status codes of one method. */
const codes = 1000;

/** What happened on one route. Plain numbers: a request costs a nanosecond's work here, and a scrape makes labels of it. */
class Tally {
  /** By `method * codes + status`. */
  readonly counts = new Map<number, number>();
  /** Requests that took no longer than each bound and longer than the one before; those beyond the last come last. */
  readonly buckets: number[];
  seconds = 0;

  constructor(bounds: number) {
    this.buckets = new Array<number>(bounds + 1).fill(0);
  }
}

/**
 * Counts requests and their times. prom-client's own counters take 2 µs for each, a tenth of what a manifest costs.
 * @param bounds of the histogram's buckets, seconds, ascending
 */
export function requestObserver(register: MetricsRegistry, bounds: readonly number[]): (sample: RequestSample) => void {
  const tallies = new Map<string, Tally>();
  countRequests(register, tallies);
  register.registerMetric(durations(tallies, bounds));
  return ({ route, method, status, seconds }) => {
    let tally = tallies.get(route);
    if (tally === undefined) {
      tally = new Tally(bounds.length);
      tallies.set(route, tally);
    }
    const place = methodOf(method) * codes + status;
    tally.counts.set(place, (tally.counts.get(place) ?? 0) + 1);
    tally.seconds += seconds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket++;
    tally.buckets[bucket] = (tally.buckets[bucket] as number) + 1;
  };
}

function methodOf(method: string): number {
  const known = methods.indexOf(method as (typeof methods)[number]);
  return known < 0 ? other : known;
}

function countRequests(register: MetricsRegistry, tallies: ReadonlyMap<string, Tally>): void {
  const requests = new Counter({
    name: 'ne_registry_http_requests_total',
    help: 'Requests answered, by method, route and status code.',
    labelNames: ['method', 'route', 'code'] as const,
    registers: [register],
    collect() {
      requests.reset();
      for (const [route, { counts }] of tallies) {
        for (const [place, count] of counts) {
          const method = methods[Math.floor(place / codes)] ?? 'other';
          requests.inc({ method, route, code: String(place % codes) }, count);
        }
      }
    },
  });
}

type Metric = Parameters<MetricsRegistry['registerMetric']>[0];

/** A histogram as prom-client's registry reads them; its own class can only observe one value at a time. */
function durations(tallies: ReadonlyMap<string, Tally>, bounds: readonly number[]): Metric {
  const name = 'ne_registry_http_request_duration_seconds';
  const help = 'Time from the first byte of a request to the last of its answer, by route.';
  const values = () => [...tallies].flatMap(([route, tally]) => series(name, { route }, { tally, bounds }));
  const get = async () => ({ name, help, type: 'histogram', aggregator: 'sum', values: values() });
  return { name, get, reset: () => undefined } as unknown as Metric;
}

function series(
  name: string,
  labels: { readonly route: string },
  { tally, bounds }: { tally: Tally; bounds: readonly number[] },
) {
  let total = 0;
  const upTo = tally.buckets.map((count, index) => {
    total += count;
    return { metricName: `${name}_bucket`, labels: { le: bounds[index] ?? '+Inf', ...labels }, value: total };
  });
  return [
    ...upTo,
    { metricName: `${name}_sum`, labels, value: tally.seconds },
    { metricName: `${name}_count`, labels, value: total },
  ];
}
