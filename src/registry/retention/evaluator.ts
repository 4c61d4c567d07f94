import { Worker } from 'node:worker_threads';
import type { Decision } from '../../domain/retention/plan.ts';
import type { Policy } from '../../domain/retention/policy.ts';
import type { Millis } from '../metadata/store.ts';
import type { Places } from '../stores.ts';
import type { InUseSettings } from './clusters.ts';
import type { Approved, Doomed, RepositoryPlan } from './evaluation.ts';

export interface InUseNow extends InUseSettings {
  readonly now: Millis;
}

export interface Subject {
  readonly repository: string;
  readonly policy: Policy;
  readonly now: Millis;
}

/** What the thread is asked, one thing after the other. */
export type Question =
  | { readonly ask: 'load'; readonly inUse: InUseNow }
  | ({ readonly ask: 'plan' } & Subject)
  | { readonly ask: 'approved'; readonly images: readonly Approved[] }
  | { readonly ask: 'begin'; readonly limit: number; readonly approved: boolean }
  | { readonly ask: 'next' }
  /** A cluster has begun to use something: what is left to go, the batch that was refused first, is looked at again. */
  | { readonly ask: 'recheck'; readonly refused: readonly Doomed[]; readonly inUse: InUseNow }
  | ({ readonly ask: 'explain'; readonly digest: string } & Subject)
  | ({ readonly ask: 'preview' } & Subject)
  | { readonly ask: 'text' };

export interface Answers {
  /** Of the reports that count from now on; `missing`: clusters that have not reported. */
  readonly load: { readonly revision: number; readonly missing: readonly string[] };
  readonly plan: RepositoryPlan;
  readonly approved: null;
  readonly begin: null;
  /** Empty at the end. */
  readonly next: readonly Doomed[];
  readonly recheck: { readonly revision: number; readonly missing: readonly string[] };
  readonly explain: ({ readonly tags: readonly string[]; readonly usedBy?: string } & Decision) | null;
  readonly preview: null;
  /** Empty at the end. */
  readonly text: string;
}

export interface Failure {
  readonly name: string;
  readonly message: string;
}
export type Reply = { readonly answer: unknown } | { readonly failure: Failure };

/** Heap of the thread, MiB: room for a repository of a million images. */
const HEAP = 512;

/** Plans on a thread of its own, with its own eyes on the metadata; it changes nothing. One question at a time. */
export class Evaluator {
  readonly #worker: Worker;
  #waiting: { resolve: (answer: never) => void; reject: (error: Error) => void } | undefined;
  #dead: Error | undefined;
  #exited: Promise<void>;

  /** Resolves when it can be asked. Rejects where the metadata cannot be opened. */
  static async start(places: Places): Promise<Evaluator> {
    const evaluator = new Evaluator(places);
    await evaluator.#answer();
    return evaluator;
  }

  private constructor({ storage, metadata, limits }: Places) {
    const { postgres } = metadata;
    const places: Places = {
      storage,
      limits,
      metadata: postgres ? { postgres: { ...postgres, poolSize: 2 } } : metadata,
    };
    this.#worker = new Worker(new URL('./evaluator-thread.ts', import.meta.url), {
      workerData: places,
      name: 'retention plans',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP, maxYoungGenerationSizeMb: 8 },
    });
    this.#worker.on('message', (reply: Reply) => this.#receive(reply));
    this.#worker.on('error', (error) => this.#die(error instanceof Error ? error : new Error(String(error))));
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#die(new Error('the thread that plans retention has ended'));
        resolve();
      });
    });
  }

  /** Rejects with what went wrong over there, or where the thread has died. */
  ask<Kind extends Question['ask']>(question: Extract<Question, { ask: Kind }>): Promise<Answers[Kind]> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    if (this.#waiting !== undefined) throw new Error('the thread that plans retention is asked one thing at a time');
    this.#worker.postMessage(question);
    return this.#answer() as Promise<Answers[Kind]>;
  }

  /** Ends it, whatever it does. */
  async stop(): Promise<void> {
    if (this.#dead === undefined && this.#waiting === undefined) this.#worker.postMessage({ ask: 'close' });
    else await this.#worker.terminate();
    await this.#exited;
  }

  #answer(): Promise<unknown> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #receive(reply: Reply): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if ('failure' in reply)
      waiting?.reject(Object.assign(new Error(reply.failure.message), { name: reply.failure.name }));
    else waiting?.resolve(reply.answer as never);
  }

  #die(error: Error): void {
    this.#dead ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#dead);
  }
}
