import { Worker } from 'node:worker_threads';
import { StoreError } from '../store.ts';
import type { Command, Reply } from './batch.ts';
import { closed, errorOf, type Fault } from './faults.ts';
import type { Writer, WriterOptions } from './writer.ts';
import type { Arguments, OperationName, Result } from './writes/operations.ts';

/** Commands that may wait for the disk at once; past it the store says that it is busy instead of filling the memory. */
const MOST_WAITING = 10_000;
/** Bytes of manifests, their edges and reports that may wait: the thread must not run out of memory, whatever clients push at once. */
const MOST_WAITING_BYTES = 32 * 1024 * 1024;
/** What an edge, or a name in a cluster's report, costs in the thread, bytes. */
const EDGE_BYTES = 256;

/** What the thread sends: that it could not start, or replies. */
export type FromThread = { readonly failed: Fault } | { readonly replies: readonly Reply[] };
export type ToThread = { readonly commands: readonly Command[] } | { readonly close: true };

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
  readonly bytes: number;
}

export interface ThreadWriterOptions extends WriterOptions {
  /** The thread died: nothing can be written any more, the process has to end. Called once. */
  readonly onDeath: (error: StoreError) => void;
}

/**
 * Hands writes to a thread that commits whatever has queued up in one transaction. The thread is made with the first of them: a
 * start to the first answer does without the 50 ms that it takes, and what is written until it is there waits in its queue.
 */
export class ThreadWriter implements Writer {
  #options: ThreadWriterOptions;
  #worker: Worker | undefined;
  #waiting = new Map<number, Waiting>();
  #waitingBytes = 0;
  #next = 1;
  #outbox: Command[] = [];
  #state: 'open' | 'closing' | 'dead' = 'open';
  #ended = Promise.resolve();

  constructor(options: ThreadWriterOptions) {
    this.#options = options;
  }

  execute<Name extends OperationName>(name: Name, data: Arguments<Name>): Promise<Result<Name>> {
    if (this.#state !== 'open') return Promise.reject(closed());
    const bytes = bytesOf(data);
    if (this.#waiting.size > 0 && this.#isTooMuch(bytes))
      return Promise.reject(new StoreError('busy', 'too many writes wait for the disk; try again in a second'));
    const id = this.#next++;
    if (this.#outbox.length === 0) this.#sendSoon();
    this.#outbox.push({ id, name, data });
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject, bytes }));
  }

  #isTooMuch(bytes: number): boolean {
    return this.#waiting.size >= MOST_WAITING || this.#waitingBytes + bytes > MOST_WAITING_BYTES;
  }

  async close(): Promise<void> {
    if (this.#state === 'open') {
      this.#send();
      this.#state = 'closing';
      this.#worker?.postMessage({ close: true } satisfies ToThread);
    }
    await this.#ended;
    this.#rejectAll(closed());
  }

  /** Making the thread waits a turn of the event loop, in which the first clients of a registry that has just started are answered. */
  #sendSoon(): void {
    if (this.#worker === undefined) setImmediate(() => this.#send());
    else queueMicrotask(() => this.#send());
  }

  /** One message for all that was asked in this turn of the event loop. */
  #send(): void {
    if (this.#outbox.length === 0 || this.#state === 'dead') return;
    try {
      this.#worker ??= this.#start();
    } catch (error) {
      this.#die(error);
      return;
    }
    this.#worker.postMessage({ commands: this.#outbox } satisfies ToThread, movable(this.#outbox));
    this.#outbox = [];
  }

  #start(): Worker {
    const { onDeath: _, ...workerData } = this.#options;
    const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), {
      workerData,
      name: 'metadata writer',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 1 },
    });
    worker.on('message', (message: FromThread) => this.#receive(message));
    worker.on('error', (error) => this.#die(error));
    this.#ended = new Promise((resolve) => {
      worker.once('exit', (code) => {
        resolve();
        if (this.#state === 'open') this.#die(new Error(`it ended with code ${code}`));
      });
    });
    return worker;
  }

  #receive(message: FromThread): void {
    if ('failed' in message) this.#die(errorOf(message.failed));
    else this.#settle(message.replies);
  }

  #settle(replies: readonly Reply[]): void {
    for (const reply of replies) {
      const waiting = this.#waiting.get(reply.id);
      if (waiting === undefined) continue;
      this.#waiting.delete(reply.id);
      this.#waitingBytes -= waiting.bytes;
      if ('fault' in reply) waiting.reject(errorOf(reply.fault));
      else waiting.resolve(reply.value as never);
    }
  }

  #die(cause: unknown): void {
    if (this.#state === 'dead') return;
    this.#state = 'dead';
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the thread that writes the metadata died (${why}); what waited for it may or may not be stored. The registry has to be restarted`;
    const error = new StoreError('io', message, { cause });
    this.#rejectAll(error);
    this.#options.onDeath(error);
  }

  #rejectAll(error: StoreError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#waitingBytes = 0;
  }
}

function bytesOf(data: object): number {
  const bytes = 'bytes' in data && data.bytes instanceof Uint8Array ? data.bytes.byteLength : 0;
  const text = 'document' in data && typeof data.document === 'string' ? data.document.length : 0;
  return bytes + text + (lengthOf(data, 'edges') + lengthOf(data, 'names')) * EDGE_BYTES;
}

function lengthOf(data: object, list: string): number {
  const value: unknown = (data as Record<string, unknown>)[list];
  return Array.isArray(value) ? value.length : 0;
}

/** Memory that may move to the thread instead of being copied: bytes that the store owns and that share it with nothing. */
function movable(commands: readonly Command[]): ArrayBuffer[] {
  return commands.flatMap(({ data }) => {
    if (typeof data !== 'object' || data === null || !('ownsBytes' in data && 'bytes' in data)) return [];
    const { buffer, byteLength } = data.bytes as Uint8Array;
    return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength > 0 ? [buffer] : [];
  });
}
