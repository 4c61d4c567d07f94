import type { Digest } from '../../domain/oci/digest.ts';
import type { MetadataStore } from '../metadata/store.ts';

type Log = { warn(fields: object, message: string): void };

const hourMillis = 3_600_000;
/** Distinct manifests remembered between two flushes; past it the batch is flushed early. */
const largestBatch = 5_000;

/**
 * Notes when manifests were pulled, by the hour and in batches: a pull costs one map entry, and a manifest that is pulled
 * a thousand times an hour one row update.
 */
export class Pulls {
  readonly #metadata: Pick<MetadataStore, 'notePulls'>;
  readonly #now: () => number;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  readonly #pending = new Map<string, { repository: string; digest: Digest; hour: number }>();
  #flushing: Promise<void> = Promise.resolve();

  constructor(
    metadata: Pick<MetadataStore, 'notePulls'>,
    options: { now: () => number; log: Log; everyMillis?: number },
  ) {
    this.#metadata = metadata;
    this.#now = options.now;
    this.#log = options.log;
    this.#timer = setInterval(() => void this.flush(), options.everyMillis ?? 30_000).unref();
  }

  note(repository: string, digest: Digest): void {
    const hour = Math.floor(this.#now() / hourMillis);
    this.#pending.set(`${repository}@${digest}`, { repository, digest, hour });
    if (this.#pending.size === largestBatch) void this.flush();
  }

  /** Resolves when everything noted so far is written, or was given up with a log line: a pull time is no promise. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  async #write(): Promise<void> {
    const batch = [...this.#pending.values()];
    this.#pending.clear();
    if (batch.length === 0) return;
    try {
      await this.#metadata.notePulls(batch);
    } catch (error) {
      this.#log.warn({ err: error, pulls: batch.length }, 'pull times could not be written; they are skipped');
    }
  }
}
