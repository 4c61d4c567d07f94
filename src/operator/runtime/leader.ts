import type { KubeClient } from '../kube/client.ts';
import { isAlreadyExists, isConflict } from '../kube/error.ts';
import type { Log } from '../kube/log.ts';
import { type Clock, systemClock } from './clock.ts';
import { heldBy, type Lease, ObservedLease, released } from './lease.ts';
import type { RuntimeMetrics } from './metrics.ts';

export interface LeaderOptions {
  /** Give it a client of its own, without retries and with a timeout below `renewSeconds`. */
  client: Pick<KubeClient, 'get' | 'create' | 'replace'>;
  namespace: string;
  name: string;
  /** Unique to this process, for example the pod's name and a random part. */
  identity: string;
  log: Log;
  metrics: Pick<RuntimeMetrics, 'leader'>;
  /** How long a lease lasts after a renewal, in seconds; default 15. */
  leaseSeconds?: number;
  /** How long a leader goes on without a renewal, in seconds; default 10. Work ends in the time between the two. */
  renewSeconds?: number;
  /** Seconds between two tries; default 2. */
  retrySeconds?: number;
  clock?: Clock;
}

/**
 * Leader election on a Lease, as client-go does it: at most one of the processes that share a lease leads. What a
 * leader does must stop when its signal aborts; the lease lasts for a while after that.
 */
export class LeaderElector {
  readonly #options: Required<LeaderOptions>;
  readonly #observed = new ObservedLease();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  /** Monotonic time of the last renewal, counted from when it was sent; undefined while not leading. */
  #renewedMs: number | undefined;

  constructor(options: LeaderOptions) {
    this.#options = { leaseSeconds: 15, renewSeconds: 10, retrySeconds: 2, clock: systemClock, ...options };
    this.#options.metrics.leader.set({ name: options.name }, 0);
  }

  /**
   * Waits until this process leads and calls `lead` with a signal that aborts when it no longer may. Settles when
   * leading has ended and `lead` has settled: with an error when the lease was lost (leave the process then, or run
   * again), without one after `stop`. Errors of `lead` come through.
   */
  run(lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.#running !== undefined) throw new Error('this elector is running already');
    this.#running = this.#run(lead).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Whether this process leads now, by the clock: false too when it slept through its lease. */
  leads(): boolean {
    return this.#renewedMs !== undefined && this.#leftMs(this.#renewedMs) > 0;
  }

  /** Ends leading or waiting, and gives the lease back once `lead` has settled. Call it on SIGTERM. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'));
    await this.#running?.catch(() => undefined);
  }

  async #run(lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { identity, name, log, metrics } = this.#options;
    this.#renewedMs = await this.#acquire();
    if (this.#renewedMs === undefined) return;
    log.info({ lease: name, identity }, 'leading');
    metrics.leader.set({ name }, 1);
    const leading = new AbortController();
    const work = lead(leading.signal);
    // Work that ends, well or badly, ends the leading too.
    const workEnded = new AbortController();
    work.catch(() => undefined).finally(() => workEnded.abort());
    try {
      await this.#renewUntil(AbortSignal.any([this.#stopping.signal, workEnded.signal]), this.#renewedMs);
    } catch (error) {
      this.#renewedMs = undefined;
      throw error;
    } finally {
      // Until the lease is given back, work that is ending may still write what it has begun.
      leading.abort(new Error('no longer the leader'));
      metrics.leader.set({ name }, 0);
      await work.finally(() => this.#release());
      log.info({ lease: name, identity }, 'no longer leading');
    }
  }

  /** Tries until the lease is ours; gives the monotonic time from which it counts, undefined when stopped. */
  async #acquire(): Promise<number | undefined> {
    const { clock, retrySeconds, log, name } = this.#options;
    while (!this.#stopping.signal.aborted) {
      const startedMs = clock.monotonicMs();
      try {
        if (await this.#tryHold()) return startedMs;
      } catch (error) {
        if (!isConflict(error) && !isAlreadyExists(error))
          log.warn({ lease: name, err: error }, 'cannot get the lease');
      }
      await this.#pause(retrySeconds * 1000 * (1 + Math.random() * 0.2), this.#stopping.signal);
    }
    return undefined;
  }

  /** Renews until the signal aborts; throws when the last renewal is too old. */
  async #renewUntil(signal: AbortSignal, acquiredMs: number): Promise<void> {
    const { clock, retrySeconds, renewSeconds, log, name } = this.#options;
    let renewedMs = acquiredMs;
    while (!signal.aborted) {
      await this.#pause(Math.min(retrySeconds * 1000, this.#leftMs(renewedMs)), signal);
      if (signal.aborted) return;
      const startedMs = clock.monotonicMs();
      const outcome = await this.#within(this.#leftMs(renewedMs), this.#tryHold(), signal);
      if (outcome === 'ended') return;
      if (outcome === false) throw new Error(`the lease ${name} was taken by another`);
      if (outcome === true) {
        renewedMs = startedMs;
        this.#renewedMs = startedMs;
        continue;
      }
      log.warn({ lease: name, err: outcome }, 'cannot renew the lease');
      if (this.#leftMs(renewedMs) <= 0) throw new Error(`the lease ${name} could not be renewed for ${renewSeconds} s`);
    }
  }

  #leftMs(renewedMs: number): number {
    return renewedMs + this.#options.renewSeconds * 1000 - this.#options.clock.monotonicMs();
  }

  /** Takes or renews the lease once. False when another holds it. */
  async #tryHold(): Promise<boolean> {
    const { client, identity, leaseSeconds, clock } = this.#options;
    const lease = await this.#read();
    const holder = { identity, leaseSeconds, now: clock.now() };
    if (lease === undefined) {
      this.#observed.observe(await client.create(heldBy(this.#empty(), holder)), clock.monotonicMs());
      return true;
    }
    this.#observed.observe(lease, clock.monotonicMs());
    const others = lease.spec?.holderIdentity !== identity;
    if (others && this.#observed.msUntilFree(lease, clock.monotonicMs()) > 0) return false;
    // The version read is a precondition: of two that see it free, one gets it.
    this.#observed.observe(await client.replace(heldBy(lease, holder)), clock.monotonicMs());
    return true;
  }

  async #release(): Promise<void> {
    const { client, identity, clock, log, name } = this.#options;
    this.#renewedMs = undefined;
    try {
      const lease = await this.#read();
      if (lease?.spec?.holderIdentity !== identity) return;
      await client.replace(released(lease, clock.now()));
    } catch (error) {
      log.warn({ lease: name, err: error }, 'could not give the lease back; it ends by itself');
    }
  }

  async #read(): Promise<Lease | undefined> {
    const { namespace, name } = this.#options;
    return await this.#options.client.get<Lease>({ ...KIND, namespace, name });
  }

  #empty(): Lease {
    return { ...KIND, metadata: { namespace: this.#options.namespace, name: this.#options.name } };
  }

  /** The outcome of a try, or its error; `ended` when the signal aborts first; an error when it takes too long. */
  #within(ms: number, attempt: Promise<boolean>, signal: AbortSignal): Promise<boolean | Error | 'ended'> {
    return new Promise((resolve) => {
      const callOff = this.#options.clock.after(ms, () => resolve(new Error('no answer in time')));
      const ended = (): void => resolve('ended');
      signal.addEventListener('abort', ended, { once: true });
      attempt
        .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
        .then(resolve)
        .finally(() => {
          callOff();
          signal.removeEventListener('abort', ended);
        });
    });
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) resolve();
      const callOff = this.#options.clock.after(Math.max(ms, 0), resolve);
      const ended = (): void => {
        callOff();
        resolve();
      };
      signal.addEventListener('abort', ended, { once: true });
    });
  }
}

const KIND = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' } as const;
