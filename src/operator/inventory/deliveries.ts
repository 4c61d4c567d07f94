/** Brings the inventory to the registries that count on it: soon after a change, and often enough that it never grows stale. */
import { messageOf } from '../../platform/fatal.ts';
import type { Log } from '../kube/log.ts';
import type { InventoryMetrics } from './metrics.ts';
import type { Inventory, Snapshot } from './watch.ts';

/** A registry that is reported to. */
export interface Destination {
  /** Tells destinations apart; a registry that was made anew is another one. */
  readonly key: string;
  /** For logs: `Registry registry/main`. */
  readonly name: string;
  /** Longest time between two reports, milliseconds. */
  readonly everyMs: number;
  /** Hands one report over. Throws an Error without a secret in it where it did not arrive. */
  send(report: string, signal: AbortSignal): Promise<void>;
}

export interface DeliveriesOptions {
  readonly inventory: Pick<Inventory, 'start' | 'current' | 'stop'>;
  /** Asked at each look. */
  readonly destinations: () => readonly Destination[];
  readonly leads: () => boolean;
  readonly now: () => Date;
  readonly log: Log;
  readonly metrics: InventoryMetrics;
  /** The longest pause between two attempts, milliseconds; 4 s by default. */
  readonly longestPauseMs?: number;
}

/** What is known of one destination. Times are of `performance.now`. */
interface Course {
  revision: number;
  sentAt: number;
  retryAt: number;
  failures: number;
  sending: boolean;
  complained: boolean;
}

const lookEveryMs = 250;
/** Reports are as large as 16 MiB: not many are on their way at a time. */
const mostAtOnce = 4;
const firstPauseMs = 500;
/** A registry that is just being made, or restarted, fails so often without anybody being told. */
const patience = 15;
const complainEveryMs = 60_000;

/** Reports until the signal aborts; settles when nothing is on its way any more. The inventory is stopped with it. */
export async function deliver(options: DeliveriesOptions, signal: AbortSignal): Promise<void> {
  const courses = new Map<string, Course>();
  const complaint = { at: Number.NEGATIVE_INFINITY };
  const sending = new Set<Promise<void>>();
  const look = (): void => {
    for (const send of due(options, courses, complaint)) {
      if (sending.size >= mostAtOnce) break;
      const sent = send(signal).finally(() => sending.delete(sent));
      sending.add(sent);
    }
  };
  const timer = setInterval(() => {
    try {
      look();
    } catch (error) {
      options.log.error({ err: error }, 'the inventory is not reported');
    }
  }, lookEveryMs);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  clearInterval(timer);
  await Promise.all(sending);
  await options.inventory.stop();
}

/** What is to be sent now. */
function* due(
  options: DeliveriesOptions,
  courses: Map<string, Course>,
  complaint: { at: number },
): Generator<(signal: AbortSignal) => Promise<void>> {
  const destinations = options.destinations();
  forget(courses, destinations);
  // A cluster that nobody wants to hear of is not watched.
  if (destinations.length === 0 || !options.leads()) return;
  options.inventory.start();
  const snapshot = options.inventory.current();
  if ('unknown' in snapshot) {
    complain(options, snapshot.unknown, complaint);
    return;
  }
  options.metrics.images.set(snapshot.images);
  const at = performance.now();
  for (const destination of destinations) {
    const course = courses.get(destination.key) ?? begun();
    courses.set(destination.key, course);
    const wanted = course.revision !== snapshot.revision || at - course.sentAt >= destination.everyMs;
    if (course.sending || at < course.retryAt || !wanted) continue;
    yield (signal) => send(options, destination, { course, snapshot, signal });
  }
}

function begun(): Course {
  return { revision: 0, sentAt: Number.NEGATIVE_INFINITY, retryAt: 0, failures: 0, sending: false, complained: false };
}

interface Sending {
  readonly course: Course;
  readonly snapshot: Snapshot;
  readonly signal: AbortSignal;
}

async function send(
  { now, log, metrics, longestPauseMs = 4000 }: DeliveriesOptions,
  destination: Destination,
  { course, snapshot, signal }: Sending,
): Promise<void> {
  course.sending = true;
  const startedAt = performance.now();
  try {
    await destination.send(snapshot.body(now()), signal);
    metrics.reports.inc({ result: 'success' });
    if (course.complained) log.info({ registry: destination.name }, 'the inventory arrives again');
    Object.assign(course, {
      revision: snapshot.revision,
      sentAt: startedAt,
      retryAt: 0,
      failures: 0,
      complained: false,
    });
  } catch (error) {
    if (signal.aborted) return;
    metrics.reports.inc({ result: 'error' });
    course.failures++;
    course.retryAt = performance.now() + Math.min(firstPauseMs * 2 ** (course.failures - 1), longestPauseMs);
    const said = { registry: destination.name, failures: course.failures, reason: messageOf(error) };
    if (course.failures >= patience && !course.complained) {
      course.complained = true;
      log.warn(said, 'the inventory does not arrive: what runs here stays protected as of the last report');
    } else log.debug(said, 'the inventory did not arrive, trying again');
  } finally {
    course.sending = false;
  }
}

function forget(courses: Map<string, Course>, destinations: readonly Destination[]): void {
  if (courses.size <= destinations.length) return;
  const keys = new Set(destinations.map(({ key }) => key));
  for (const key of courses.keys()) if (!keys.has(key)) courses.delete(key);
}

function complain({ log }: DeliveriesOptions, why: string, complaint: { at: number }): void {
  const at = performance.now();
  if (complaint.at === Number.NEGATIVE_INFINITY) complaint.at = at;
  if (at - complaint.at < complainEveryMs) return;
  complaint.at = at;
  log.warn({ reason: why }, 'the inventory is not reported: what runs here stays protected as of the last report');
}
