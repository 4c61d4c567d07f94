import { createHash } from 'node:crypto';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/error.ts';
import type { Log } from '../kube/log.ts';
import { describeRef, type KubeObject, refOf } from '../kube/object.ts';
import { type Clock, systemClock } from './clock.ts';
import { microTime } from './lease.ts';
import { redact } from './redact.ts';
import { type Rate, TokenBucket } from './token-bucket.ts';

export interface EventInput {
  type: 'Normal' | 'Warning';
  /** CamelCase, for example `CertificateRotated`. */
  reason: string;
  /** What was done, CamelCase; default `Reconcile`. */
  action?: string;
  /** For people, one or two sentences; no secrets. */
  note: string;
}

/** Tells users what happened to an object; never throws, never blocks a reconcile. */
export interface Events {
  record(regarding: KubeObject, event: EventInput): void;
}

export interface EventRecorderOptions {
  client: Pick<KubeClient, 'create' | 'patch'>;
  /** For example `ne-registry.io/operator`. */
  controller: string;
  /** This process, for example the pod's name. */
  instance: string;
  log: Log;
  clock?: Clock;
}

/** What was said before, so that saying it again counts instead of adding. */
interface Said {
  name: string;
  count: number;
  /** Monotonic. */
  writtenMs: number;
}

/** `note` has at most 1 kB. */
const LONGEST_NOTE = 1024;
/** What is said again goes into one event's series, written at most this often. */
const SERIES_EVERY_MS = 300_000;
const REMEMBERED = 1000;
const PER_OBJECT: Rate = { perSecond: 1 / 300, burst: 25 };
const WAITING = 50;

/**
 * Records `events.k8s.io/v1` events. The same reason and note about the same object become one event with a series; one
 * object gets 25 at once and then one every five minutes; what is too much is dropped.
 */
export class EventRecorder implements Events {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #said = new Map<string, Said>();
  readonly #buckets = new Map<string, TokenBucket>();
  #writing: Promise<void> = Promise.resolve();
  #queued = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  record(regarding: KubeObject, event: EventInput): void {
    const note = redact(event.note).slice(0, LONGEST_NOTE);
    const about = regarding.metadata.uid ?? describeRef(refOf(regarding));
    const key = [about, event.type, event.reason, event.action, note].join('\n');
    const before = this.#said.get(key);
    if (before !== undefined) {
      before.count += 1;
      if (this.#clock.monotonicMs() - before.writtenMs < SERIES_EVERY_MS) return;
    }
    if (!this.#bucketOf(about).tryTake() || this.#queued >= WAITING) return;
    if (before !== undefined) {
      this.#write(() => this.#repeat(regarding, before, { ...event, note }));
      return;
    }
    const name = nameOf(regarding, `${key}\n${this.#options.instance}\n${this.#clock.now().toISOString()}`);
    const said = { name, count: 1, writtenMs: this.#clock.monotonicMs() };
    remember(this.#said, key, said);
    this.#write(() => this.#create(regarding, said, { ...event, note }));
  }

  /** Settles when what was recorded so far is written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** One after the other: events are no reason to load the API server. */
  #write(work: () => Promise<unknown>): void {
    this.#queued += 1;
    this.#writing = this.#writing
      .then(work)
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'could not record an event'))
      .then(() => {
        this.#queued -= 1;
      });
  }

  async #create(regarding: KubeObject, said: Said, event: EventInput): Promise<void> {
    await this.#options.client.create({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: said.name, namespace: namespaceOf(regarding) },
      eventTime: microTime(this.#clock.now()),
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance,
      action: event.action ?? 'Reconcile',
      reason: event.reason,
      type: event.type,
      note: event.note,
      regarding: {
        ...refOf(regarding),
        ...(regarding.metadata.uid === undefined ? {} : { uid: regarding.metadata.uid }),
      },
    });
  }

  async #repeat(regarding: KubeObject, said: Said, event: EventInput): Promise<void> {
    said.writtenMs = this.#clock.monotonicMs();
    const ref = { apiVersion: 'events.k8s.io/v1', kind: 'Event', name: said.name, namespace: namespaceOf(regarding) };
    const series = { count: said.count, lastObservedTime: microTime(this.#clock.now()) };
    try {
      await this.#options.client.patch(ref, { series });
    } catch (error) {
      // Events live for an hour; and one that could not be written has nothing to count in.
      if (!(error instanceof KubeError) || error.status !== 404) throw error;
      await this.#create(regarding, said, event);
    }
  }

  #bucketOf(about: string): TokenBucket {
    const known = this.#buckets.get(about);
    if (known !== undefined) return known;
    const bucket = new TokenBucket(PER_OBJECT, this.#clock);
    remember(this.#buckets, about, bucket);
    return bucket;
  }
}

/** Keeps the newest thousand. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.set(key, value);
  if (map.size <= REMEMBERED) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}

function nameOf(regarding: KubeObject, seed: string): string {
  return `${regarding.metadata.name.slice(0, 200)}.${createHash('sha256').update(seed).digest('hex').slice(0, 16)}`;
}

/** Events about what is cluster-wide live in `default`. */
function namespaceOf(regarding: KubeObject): string {
  return regarding.metadata.namespace ?? 'default';
}
