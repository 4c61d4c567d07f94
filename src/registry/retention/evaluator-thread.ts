/** The thread that plans: it reads through a store of its own, so that the thread which serves never waits for a plan. */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { InUse } from '../../domain/retention/in-use.ts';
import type { MetadataStore } from '../metadata/store.ts';
import { openMetadata, type Places } from '../stores.ts';
import { type Doomed, Evaluation, imageOf } from './evaluation.ts';
import type { Answers, InUseNow, Question, Reply, Subject } from './evaluator.ts';
import { previewText } from './preview-text.ts';

/** Characters of a preview in one message. */
const PIECE = 64 * 1024;

class EvaluatorThread {
  readonly #metadata: MetadataStore;
  #inUse = new InUse([], { clusters: [], staleAfter: 0, now: 0 });
  /** A cluster has begun to use something since the evaluation: what goes is looked at again. */
  #outdated = false;
  #evaluation: Evaluation | undefined;
  #batches: Iterator<Doomed[]> | undefined;
  /** What was asked for and did not go. */
  #refused: readonly Doomed[] = [];
  #text: Iterator<string> | undefined;

  constructor(metadata: MetadataStore) {
    this.#metadata = metadata;
  }

  answer(question: Question): Promise<Answers[keyof Answers]> | Answers[keyof Answers] {
    switch (question.ask) {
      case 'load':
        return this.#load(question.inUse);
      case 'plan':
        return this.#plan(question);
      case 'approved':
        this.#evaluation?.approve(question.images);
        return null;
      case 'begin':
        return this.#begin(question);
      case 'next':
        return this.#next();
      case 'recheck':
        this.#refused = question.refused;
        return this.#load(question.inUse);
      case 'explain':
        return this.#explain(question);
      case 'preview':
        return this.#preview(question);
      case 'text':
        return this.#piece();
    }
  }

  async #load({ clusters, staleSeconds, now }: InUseNow): Promise<Answers['load']> {
    const { revision, reports } = await this.#metadata.inventories();
    this.#inUse = new InUse(reports, { clusters, staleAfter: staleSeconds * 1000, now });
    this.#outdated = true;
    return { revision, missing: this.#inUse.missing };
  }

  async #plan(subject: Subject): Promise<Answers['plan']> {
    this.#evaluation = await this.#evaluate(subject);
    this.#outdated = false;
    return this.#evaluation.summary();
  }

  #begin({ limit, approved }: Extract<Question, { ask: 'begin' }>): Answers['begin'] {
    if (approved) this.#evaluation?.requireApproval();
    this.#batches = this.#evaluation?.batches(limit);
    this.#refused = [];
    return null;
  }

  /** A batch of which everything has come into use is passed over: an empty one says that it is the end. */
  async #next(): Promise<Answers['next']> {
    for (;;) {
      const batch = this.#refused.length > 0 ? this.#refused : this.#batches?.next().value;
      this.#refused = [];
      if (batch === undefined) break;
      const left = this.#outdated ? await this.#unused(batch) : batch;
      if (left.length > 0) return left;
    }
    this.#evaluation = undefined;
    this.#batches = undefined;
    return [];
  }

  /** What belongs to an image that is used now stays with it. */
  async #unused(batch: readonly Doomed[]): Promise<readonly Doomed[]> {
    const repository = this.#evaluation?.repository ?? '';
    const use = this.#inUse.in(repository);
    const rows = await this.#metadata.imagesOf(
      repository,
      batch.map(({ digest }) => digest),
    );
    const used = new Set(rows.filter((row) => use.usedBy(imageOf(row)) !== undefined).map(({ digest }) => digest));
    return used.size === 0 ? batch : (this.#evaluation?.unrelated(batch, used) ?? []);
  }

  async #explain({ digest, ...subject }: Subject & { digest: string }): Promise<Answers['explain']> {
    const evaluation = await this.#evaluate(subject);
    return evaluation.explain(digest) ?? null;
  }

  async #preview(subject: Subject): Promise<Answers['preview']> {
    this.#text = previewText(await this.#evaluate(subject))[Symbol.iterator]();
    return null;
  }

  #piece(): string {
    let piece = '';
    while (this.#text !== undefined && piece.length < PIECE) {
      const { value, done } = this.#text.next();
      if (done) this.#text = undefined;
      else piece += value;
    }
    return piece;
  }

  #evaluate({ repository, policy, now }: Subject): Promise<Evaluation> {
    const inUse = this.#inUse;
    return Evaluation.of(this.#metadata.images(repository), { repository, policy, now, inUse });
  }

  close(): Promise<void> {
    return this.#metadata.close();
  }
}

/** Nice value: where processors are short, requests and their writes go first. */
const NICENESS = 10;

/** Linux knows each thread by an id of its own; elsewhere plans compete like everybody. */
function giveWay(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    if (thread > 0) setPriority(thread, NICENESS);
  } catch {
    // It is no more than a courtesy.
  }
}

async function run(port: MessagePort, places: Places): Promise<void> {
  giveWay();
  const metadata = await openMetadata(places, { mode: 'read', onDeath: () => undefined });
  const thread = new EvaluatorThread(metadata);
  const close = async () => {
    await thread.close();
    port.close();
  };
  port.on('message', (question: Question | { ask: 'close' }) => {
    if (question.ask === 'close') void close();
    else void reply(port, () => thread.answer(question));
  });
  port.postMessage({ answer: null } satisfies Reply);
}

async function reply(port: MessagePort, answer: () => unknown): Promise<void> {
  try {
    port.postMessage({ answer: await answer() } satisfies Reply);
  } catch (error) {
    fail(port, error);
  }
}

function fail(port: MessagePort, error: unknown): void {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  port.postMessage({ failure: { name, message } } satisfies Reply);
}

if (parentPort !== null) {
  const port = parentPort;
  run(port, workerData as Places).catch((error: unknown) => {
    fail(port, error);
    port.close();
  });
}
