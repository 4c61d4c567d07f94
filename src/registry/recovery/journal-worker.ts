import { setTimeout as sleep } from 'node:timers/promises';
import { Fatal, messageOf } from '../../platform/fatal.ts';
import type { Log } from '../../platform/log.ts';
import { Journal, type JournalParts } from './journal.ts';
import type { Lease } from './lease.ts';

/** Milliseconds between two looks at the change feed: a change is in the journal within two seconds. */
const INTERVAL = 1000;
/** Longest wait (milliseconds) after failures. */
const LONGEST = 10_000;
/** So long a process that stands in for another holds the journal before it offers it, milliseconds. */
const STANDING_IN = 30_000;
/** What stopping waits for the last changes, milliseconds. */
const LAST_CHANCE = 5000;

export interface JournalWorkerParts extends JournalParts {
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** It is another process's to write; this one does while there is none, and offers it again and again. */
  readonly standsIn?: boolean;
}

/** Keeps the journal up to date for as long as the registry runs. */
export class JournalWorker {
  #parts: JournalWorkerParts;
  #lease: Lease | undefined;
  #heldSince: number | undefined;
  #journal: Journal | undefined;
  #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #failures = 0;
  #fault: string | undefined;

  /** `lease`: where replicas share the store, so that one of them writes. */
  constructor(parts: JournalWorkerParts, lease?: Lease) {
    this.#parts = parts;
    this.#lease = lease;
  }

  /** Changes up to this one are in the journal, as far as this process knows. */
  get sequence(): number {
    return this.#journal?.sequence ?? 0;
  }

  /** 0 before the journal was opened. */
  get epoch(): number {
    return this.#journal?.epoch ?? 0;
  }

  /** Why this process must not go on: the metadata lost what the journal knows. */
  get fault(): string | undefined {
    return this.#fault;
  }

  lagSeconds(): number {
    return this.#journal?.lagSeconds() ?? 0;
  }

  start(): void {
    this.#running ??= this.#run(this.#stopping.signal);
  }

  /** Writes what is not in the journal yet, as far as that can be done soon. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const done = (async () => {
      await this.#running;
      await this.#step();
      await this.#lease?.release();
    })();
    await Promise.race([done.catch(() => undefined), sleep(LAST_CHANCE, undefined, { ref: false })]);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#step().then(
        () => this.#recovered(),
        (error: unknown) => this.#failed(error),
      );
      const pause = Math.min(INTERVAL * 2 ** Math.min(this.#failures, 8), LONGEST);
      await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #step(): Promise<void> {
    if (this.#lease !== undefined && !(await this.#lease.hold())) {
      // Whoever has it may write what this process would not know of.
      this.#journal = undefined;
      this.#heldSince = undefined;
      return;
    }
    this.#journal ??= await Journal.open(this.#parts);
    await this.#journal.flush();
    this.#heldSince ??= performance.now();
    const offers = this.#parts.standsIn === true && performance.now() - this.#heldSince > STANDING_IN;
    if (offers && !this.#journal.isCheckpointing) await this.#offer();
  }

  async #offer(): Promise<void> {
    this.#journal = undefined;
    this.#heldSince = undefined;
    await this.#lease?.release();
  }

  #recovered(): void {
    if (this.#failures > 0) this.#parts.log.info({}, 'the journal is written again');
    this.#failures = 0;
    this.#fault = undefined;
  }

  #failed(error: unknown): void {
    const fault = error instanceof Fatal ? error.message : undefined;
    if (fault !== undefined && this.#fault === undefined)
      this.#parts.log.error({}, `${fault}. Until then nothing is written to the journal and no bytes are removed`);
    else if (fault === undefined && this.#failures === 0)
      this.#parts.log.warn(
        { reason: messageOf(error) },
        'the journal cannot be written; pushes go on, and what is pushed now would be lost with the database. Tried again',
      );
    this.#fault = fault;
    this.#failures += 1;
  }
}
