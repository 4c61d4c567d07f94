import type { Digest } from '../../domain/oci/digest.ts';
import type { MetadataStore } from '../metadata/store.ts';

type Log = { warn(fields: object, message: string): void };

const hourMillis = 3_600_000;
/** Distinct manifests remembered between two flushes; past it the batch is flushed early. */
const largestBatch = 5_000;
/** While nothing can be written no more are kept; those that were noted first are given up. */
const mostPending = 100_000;
/** Manifests of which the hour's pull is known to be written; beyond these it is written once more. */
const mostWritten = 20_000;
/** A pull is not kept waiting longer, milliseconds. */
const patience = 1_000;
/** After a failure no pull waits for this time, milliseconds: the notes are kept, and come later. */
const resting = 5_000;

interface Pull {
  readonly repository: string;
  readonly digest: Digest;
  readonly hour: number;
}

/**
 * Notes when manifests were pulled, by the hour. Where clusters tell what they use, the first pull of a manifest in an hour is
 * written before it is answered: while a cluster is away, nothing else tells that it runs the image. All others cost one map
 * entry, and are written in batches.
 */
export class Pulls {
  readonly #metadata: Pick<MetadataStore, 'notePulls' | 'manifest'>;
  readonly #now: () => number;
  readonly #log: Log;
  readonly #careful: () => boolean;
  readonly #timer: NodeJS.Timeout;
  readonly #pending = new Map<string, Pull>();
  readonly #written = new Set<string>();
  #hour = -1;
  #restsUntil = 0;
  #flushing: Promise<void> = Promise.resolve();

  constructor(
    metadata: Pick<MetadataStore, 'notePulls' | 'manifest'>,
    options: { now: () => number; log: Log; careful?: () => boolean; everyMillis?: number },
  ) {
    this.#metadata = metadata;
    this.#now = options.now;
    this.#log = options.log;
    this.#careful = options.careful ?? (() => true);
    this.#timer = setInterval(() => void this.#attempt(), options.everyMillis ?? 30_000).unref();
  }

  /**
   * @returns what the answer waits for, where this is the first pull of the hour: whether the manifest is still there, for what
   * was about to expire is gone by then, or stays because of the note. A store that writes nothing is not waited for
   */
  note(repository: string, digest: Digest): Promise<boolean> | undefined {
    this.#turnHour();
    const key = `${repository}@${digest}`;
    this.#pending.set(key, { repository, digest, hour: this.#hour });
    const first = !this.#written.has(key) && this.#careful();
    if (first && performance.now() >= this.#restsUntil) return this.#noted(repository, digest);
    if (this.#pending.size === largestBatch) void this.#attempt();
    return undefined;
  }

  /** Resolves when everything noted so far is written. Rejects where it is not: then nothing may be taken for not pulled. */
  flush(): Promise<void> {
    const flushed = this.#flushing.then(() => this.#write());
    this.#flushing = flushed.catch(() => undefined);
    return flushed;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#attempt();
  }

  #turnHour(): void {
    const hour = Math.floor(this.#now() / hourMillis);
    if (hour !== this.#hour || this.#written.size >= mostWritten) this.#written.clear();
    this.#hour = hour;
  }

  async #noted(repository: string, digest: Digest): Promise<boolean> {
    await this.#attemptInTime();
    return (await this.#metadata.manifest(repository, { digest })) !== undefined;
  }

  #attempt(): Promise<void> {
    return this.flush().catch(() => undefined);
  }

  /** A store that does not answer makes nobody wait again and again. */
  #attemptInTime(): Promise<void> {
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        this.#restsUntil = performance.now() + resting;
        resolve();
      }, patience);
      void this.#attempt().then(() => {
        clearTimeout(late);
        resolve();
      });
    });
  }

  async #write(): Promise<void> {
    const batch = [...this.#pending];
    this.#pending.clear();
    if (batch.length === 0) return;
    try {
      await this.#metadata.notePulls(batch.map(([, pull]) => pull));
      for (const [key, { hour }] of batch) if (hour === this.#hour) this.#written.add(key);
      this.#restsUntil = 0;
    } catch (error) {
      this.#log.warn({ err: error, pulls: batch.length }, 'pull times could not be written; they are tried again');
      this.#restsUntil = performance.now() + resting;
      this.#keep(batch);
      throw error;
    }
  }

  /** What came meanwhile is newer. */
  #keep(batch: readonly [string, Pull][]): void {
    const newer = [...this.#pending];
    this.#pending.clear();
    for (const [key, pull] of [...batch, ...newer].slice(-mostPending)) this.#pending.set(key, pull);
  }
}
