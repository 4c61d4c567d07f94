import { Worker } from 'node:worker_threads';
import type { Algorithm } from '../../../domain/oci/digest.ts';

/** The thread is told of new bytes so many at a time. */
const STEP = 1024 * 1024;
/** A thread without a file to follow is ended after this time, milliseconds: it takes five megabytes. */
const IDLE = 1_000;

type Order =
  | { readonly path: string; readonly algorithm: Algorithm }
  | { readonly upTo: number; readonly digest: boolean }
  | { readonly forget: true };
export type ToHashThread = { readonly id: number } & Order;
export interface FromHashThread {
  readonly id: number;
  /** Undefined where the file could not be read. */
  readonly hex: string | undefined;
}

/** The hash of a file that grows. */
export interface FileHash {
  readonly algorithm: Algorithm;
  /** The file has these bytes now. */
  grown(size: number): void;
  /** Of the first `size` bytes, in hex; undefined where it cannot be told, and somebody else has to read the file. */
  digest(size: number): Promise<string | undefined>;
  /** It is not needed any more. */
  close(): void;
}

/**
 * Hashes large uploads on a thread of their own, so that the loop that takes bytes from clients need not: SHA-256 is a third of
 * what a push costs there. What is hashed is what the file holds, not what was meant to be written.
 */
export class Hasher {
  #worker: Worker | undefined;
  #next = 0;
  #followed = 0;
  #idle: NodeJS.Timeout | undefined;
  readonly #asked = new Map<number, { worker: Worker; resolve: (hex: string | undefined) => void }>();

  /** Follows a file from its beginning. It must be there until the hash is closed. */
  follow(path: string, algorithm: Algorithm): FileHash {
    const id = this.#next++;
    const worker = this.#thread();
    this.#followed++;
    clearTimeout(this.#idle);
    const tell = (order: Order) => worker.postMessage({ id, ...order } satisfies ToHashThread);
    let told = 0;
    tell({ path, algorithm });
    return {
      algorithm,
      grown: (size) => {
        if (size - told < STEP) return;
        told = size;
        tell({ upTo: size, digest: false });
      },
      digest: (size) => {
        if (worker !== this.#worker) return Promise.resolve(undefined);
        return new Promise((resolve) => {
          this.#asked.set(id, { worker, resolve });
          tell({ upTo: size, digest: true });
        });
      },
      close: () => {
        tell({ forget: true });
        this.#followed--;
        if (this.#followed === 0) this.#idle = setTimeout(() => void this.close(), IDLE).unref();
      },
    };
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  /** Started with the first large upload: a registry that gets none need not have it. */
  #thread(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL('./hash-thread.ts', import.meta.url), {
      name: 'hasher',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
    });
    worker.unref();
    worker.on('message', ({ id, hex }: FromHashThread) => this.#answer(id, hex));
    // Whatever it was: files are read again without it, and the next upload gets another one.
    worker.on('error', () => undefined);
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const [id, asked] of this.#asked) if (asked.worker === worker) this.#answer(id, undefined);
    });
    this.#worker = worker;
    return worker;
  }

  #answer(id: number, hex: string | undefined): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    asked?.resolve(hex);
  }
}
