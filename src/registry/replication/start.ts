import type { KeyObject } from 'node:crypto';
import type { Log } from '../../platform/log.ts';
import type { MetricsRegistry } from '../../platform/metrics.ts';
import { pause } from '../jobs/pause.ts';
import type { MetadataStore, Millis } from '../metadata/store.ts';
import type { RuleKeeper } from '../rules/keeper.ts';
import type { BlobStore } from '../storage/store.ts';
import type { ReplicationDesk } from './desk.ts';
import type { EngineParts, ReplicationEngine } from './engine.ts';
import { ask, replicationKeeper, retryJob, runJob } from './keeper.ts';
import { createReplicationMetrics } from './metrics.ts';
import { Leftovers } from './own/leftovers.ts';
import { Pins } from './own/pins.ts';
import { Post } from './post.ts';
import type { Flows } from './side.ts';

export interface ReplicationOptions {
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  readonly register: MetricsRegistry;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  /** Names this process among those that share the database. */
  readonly worker: string;
  /** No other process shares it. */
  readonly alone: boolean;
  /** Rules are written to other processes: nobody wakes this one. */
  readonly only?: boolean;
  readonly proxyEnv: Readonly<Record<string, string | undefined>>;
  /** The private key that tokens are signed with. */
  key(): KeyObject;
  /** Which clusters report here what they run. */
  inUse(): { readonly clusters: readonly string[]; readonly staleSeconds: number };
  now(): Millis;
}

/** Replication of a running registry. What carries rules out is loaded with the first of them: memory is a feature. */
export interface Replication {
  readonly keeper: RuleKeeper;
  /** Answers people's questions. */
  desk(): Promise<ReplicationDesk>;
  /** Tries at once what failed. */
  retry(name: string): Promise<void>;
  /** What deletions that come from other registries do not take away. */
  readonly pins: Pins;
  /** With which registries a repository is kept in step. */
  flows(repository: string): Promise<Flows>;
  start(): void;
  /** Ends what is under way within a second. */
  stop(): Promise<void>;
}

/** Milliseconds between two looks: whether there are rules, and while there are, at the post and at what was asked for. */
const look = { idle: 15_000, working: 2000 };

export function startReplication(options: ReplicationOptions): Replication {
  const pins = new Pins(options);
  const watch = new Watch(options, pins);
  const { key, now } = options;
  const wake = () => watch.wake();
  const parts = { queue: options.metadata, key, wake, now };
  return {
    keeper: replicationKeeper(parts),
    desk: () => watch.desk(),
    pins,
    retry: (name) => ask(parts, retryJob, name),
    flows: async (repository) => (await watch.desk()).flows(repository),
    start: () => watch.start(),
    stop: () => watch.stop(),
  };
}

/** Looks whether there is anything to do, and whether it is this process that does it. */
class Watch {
  readonly #options: ReplicationOptions;
  readonly #engineParts: EngineParts;
  readonly #post: Post;
  readonly #stopping = new AbortController();
  #waking = new AbortController();
  #engine: ReplicationEngine | undefined;
  #desk: Promise<ReplicationDesk> | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: ReplicationOptions, pins: Pins) {
    const { metadata, blobs, register, now } = options;
    this.#options = options;
    this.#post = new Post({ ...options, queue: metadata });
    const metrics = createReplicationMetrics(register, () => this.#engine?.figures() ?? { targets: [], halted: [] });
    this.#engineParts = {
      ...options,
      pins,
      metrics,
      stores: { metadata, blobs, now, leftovers: new Leftovers() },
      chance: Math.random,
    };
  }

  start(): void {
    this.#ended = this.#go();
  }

  wake(): void {
    this.#waking.abort();
    void this.#desk?.then((desk) => desk.forget());
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
    await this.#engine?.stop();
    await this.#post.leave();
  }

  desk(): Promise<ReplicationDesk> {
    this.#desk ??= import('./desk.ts').then(({ ReplicationDesk }) => new ReplicationDesk(this.#engineParts));
    return this.#desk;
  }

  async #go(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#waking = new AbortController();
      await this.#turn().catch((error: unknown) => {
        if (!signal.aborted)
          this.#options.log.warn({ err: error }, 'replication cannot be looked after; tried again in a while');
      });
      const idle = this.#engine === undefined && this.#options.only !== true;
      const wait = idle ? look.idle : look.working;
      await pause(wait, AbortSignal.any([signal, this.#waking.signal])).catch(() => undefined);
    }
  }

  async #turn(): Promise<void> {
    const { metadata } = this.#options;
    if (this.#engine === undefined && (await metadata.rules('replication')).length === 0) return;
    if (!(await this.#post.take())) {
      const engine = this.#engine;
      this.#engine = undefined;
      await engine?.stop();
      return;
    }
    if (this.#engine === undefined) {
      const { ReplicationEngine } = await import('./engine.ts');
      const engine = new ReplicationEngine(this.#engineParts);
      await engine.start();
      this.#engine = engine;
    } else await this.#engine.look();
    const { run, retry } = {
      run: (name: string) => this.#engine?.run(name),
      retry: (name: string) => this.#engine?.retry(name),
    };
    await this.#post.errands([runJob, retryJob], (kind, name) => (kind === runJob ? run(name) : retry(name)));
  }
}
