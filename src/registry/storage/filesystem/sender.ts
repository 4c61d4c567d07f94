import type { Socket } from 'node:net';
import { releaseUntouched } from '../../../platform/untouched.ts';
import { type Kernel, lengthOf, type Span } from './kernel.ts';
import { type Change, type Returned, SendJobs } from './send-jobs.ts';

/** A thread without work is ended after this time, milliseconds: it takes memory. */
const IDLE = 1_000;
/** Milliseconds in which `Occasion.bytes` are handed over. */
const WITHIN = 250;
/** What is left of a file has to be so long, bytes, to be worth the way to the thread and back. */
const LONG = 32 * 1024 * 1024;

/** When a thread helps the event loop to send. */
export interface Occasion {
  /** The event loop has handed over so many bytes of several long files within a quarter of a second. */
  readonly bytes: number;
  /** The process has less resident, bytes: the thread takes 18 MB for a moment and then 8. */
  readonly mostResident: number;
}

export const usualOccasion: Occasion = { bytes: 32 * 1024 * 1024, mostResident: 76 * 1024 * 1024 };

/**
 * Shares long files that are being sent at the same time between the event loop and a thread: the kernel's work for them is more
 * than one processor does. The thread is there only while there is that much to send.
 */
export class Sender {
  readonly #kernel: Kernel;
  readonly #sent = new SharedArrayBuffer(8);
  #thread: SendJobs | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** Files that the event loop sends, to clients that take them without a halt. */
  #here = 0;
  #handedOver = { bytes: 0, since: 0 };
  readonly #occasion: Occasion;
  #closed = false;

  constructor(kernel: Kernel, occasion: Occasion) {
    this.#kernel = kernel;
    this.#occasion = occasion;
  }

  /** Bytes that the thread handed over. */
  get sent(): number {
    return Number(Atomics.load(new BigInt64Array(this.#sent), 0));
  }

  /** The event loop sends one more, until `leave`. */
  enter(): void {
    this.#here += 1;
  }

  leave(): void {
    this.#here -= 1;
  }

  /** The event loop has handed over so many bytes of it. */
  note(bytes: number, of: Span): void {
    if (this.#thread !== undefined || this.#here < 2 || lengthOf(of) < LONG) return;
    const now = performance.now();
    if (now - this.#handedOver.since > WITHIN) this.#handedOver = { bytes: 0, since: now };
    this.#handedOver.bytes += bytes;
    if (this.#handedOver.bytes < this.#occasion.bytes || this.#closed) return;
    this.#handedOver.bytes = 0;
    if (process.memoryUsage.rss() < this.#occasion.mostResident) this.#start();
  }

  /** Whether a file that the event loop sends goes to the thread: where that makes the shares more even. */
  wants(span: Span): boolean {
    return this.#thread?.ready === true && this.#thread.size + 2 <= this.#here && lengthOf(span) >= LONG;
  }

  /** As `SendJobs.send`: gives such a file to the thread. */
  async send(socket: Socket, span: Span): Promise<Returned | undefined> {
    this.leave();
    try {
      return await this.#thread?.send(socket, span);
    } finally {
      this.enter();
    }
  }

  /** Ends the thread; what it is sending breaks off. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    await this.#thread?.end();
  }

  #start(): void {
    const bell = this.#kernel.bell();
    if (bell === undefined) return;
    try {
      const thread = new SendJobs(this.#kernel, { bell, sent: this.#sent }, (to) => this.#onChange(thread, to));
      this.#thread = thread;
    } catch {
      // There is none to be had, as where a container may have so many: the event loop goes on alone.
      this.#kernel.close(bell);
    }
  }

  #onChange(thread: SendJobs, to: Change): void {
    clearTimeout(this.#idle);
    if (to === 'over') this.#thread = undefined;
    else this.#idle = setTimeout(() => thread.size === 0 && void thread.end(), IDLE).unref();
    // Of what starting and ending a thread goes through most is not needed again, ten megabytes of it.
    if (to !== 'idle') void releaseUntouched();
  }
}
