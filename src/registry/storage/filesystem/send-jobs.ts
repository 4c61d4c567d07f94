import type { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { descriptorOf } from './descriptor.ts';
import type { Kernel, Span } from './kernel.ts';

export interface SendThreadData {
  /** eventfd(2): orders have come. */
  readonly bell: number;
  /** One 64-bit number: bytes that the thread has handed over. */
  readonly sent: SharedArrayBuffer;
}
export type ToSendThread =
  | { readonly id: number; readonly socket: number; readonly span: Span }
  | { readonly id: number; readonly cancel: true };
export type FromSendThread = { readonly ready: true } | ({ readonly id: number } & Returned);

/** What became of a file that the thread was given. */
export interface Returned {
  /** The next byte that the client has to get. */
  readonly position: number;
  /** The thread would go on with it; else the usual way has to be taken: the client or the disk is slow, or there is an error. */
  readonly inTurn: boolean;
}

/** The thread can be given files, has none any more, or is over. */
export type Change = 'ready' | 'idle' | 'over';

interface Job {
  readonly socket: number;
  readonly resolve: (returned: Returned | undefined) => void;
}

/** The thread that sends, as long as it lives, and what it was given. */
export class SendJobs {
  readonly #kernel: Kernel;
  readonly #worker: Worker;
  readonly #bell: number;
  readonly #jobs = new Map<number, Job>();
  readonly #changed: (to: Change) => void;
  #next = 0;
  #state: 'starting' | 'ready' | 'ending' | 'over' = 'starting';

  constructor(kernel: Kernel, data: SendThreadData, changed: (to: Change) => void) {
    this.#kernel = kernel;
    this.#bell = data.bell;
    this.#changed = changed;
    this.#worker = new Worker(new URL('./send-thread.ts', import.meta.url), {
      name: 'sender',
      execArgv: ['--disable-warning=ExperimentalWarning'],
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
    });
    this.#worker.unref();
    this.#worker.on('message', (message: FromSendThread) => this.#onMessage(message));
    // Whatever it was: the event loop goes on alone.
    this.#worker.on('error', () => undefined);
    this.#worker.once('exit', () => this.#onExit());
  }

  get size(): number {
    return this.#jobs.size;
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  /**
   * Nobody else writes to the socket, and the file stays open, until it is returned; that is soon where the socket closes.
   * @returns undefined where nothing was done: the socket is not of the kind, or there is no descriptor left
   */
  async send(socket: Socket, span: Span): Promise<Returned | undefined> {
    const fd = this.#state === 'ready' ? descriptorOf(socket) : undefined;
    // The thread has one of its own: that of a socket that was closed may be another client's by the time that it is used.
    const own = fd === undefined ? undefined : this.#kernel.duplicate(fd);
    if (own === undefined) return undefined;
    const id = this.#next++;
    const cancel = () => this.#tell({ id, cancel: true });
    // Node does not see the bytes that pass. A client that takes none is returned to where that is noticed.
    const timeout = socket.timeout ?? 0;
    socket.setTimeout(0).once('close', cancel);
    const returned = await new Promise<Returned | undefined>((resolve) => {
      this.#jobs.set(id, { socket: own, resolve });
      this.#tell({ id, socket: own, span });
    });
    socket.off('close', cancel);
    // Nobody knows what the client got.
    if (returned === undefined) socket.destroy();
    if (!socket.destroyed) socket.setTimeout(timeout);
    return returned ?? { position: span.start, inTurn: false };
  }

  /** Ends the thread; what it was given breaks off. */
  async end(): Promise<void> {
    if (this.#state === 'over') return;
    this.#state = 'ending';
    for (const id of this.#jobs.keys()) this.#tell({ id, cancel: true });
    await this.#worker.terminate();
  }

  #tell(order: ToSendThread): void {
    if (this.#state === 'over') return;
    this.#worker.postMessage(order);
    this.#kernel.ring(this.#bell);
  }

  #onMessage(message: FromSendThread): void {
    if ('id' in message) this.#answer(message.id, message);
    else {
      if (this.#state === 'starting') this.#state = 'ready';
      this.#changed('ready');
    }
  }

  #onExit(): void {
    this.#state = 'over';
    for (const id of [...this.#jobs.keys()]) this.#answer(id, undefined);
    this.#kernel.close(this.#bell);
    this.#changed('over');
  }

  #answer(id: number, returned: Returned | undefined): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    this.#kernel.close(job.socket);
    job.resolve(returned);
    if (this.#jobs.size === 0) this.#changed('idle');
  }
}
