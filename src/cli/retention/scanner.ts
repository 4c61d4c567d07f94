import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Piece, Span } from './piece-reader.ts';

export interface ScannerData {
  readonly fd: number;
  readonly separator: Uint8Array;
}

export interface ScanOrder {
  readonly span: Span;
  readonly isSure: boolean;
}

interface Waiting {
  resolve(piece: Piece): void;
  reject(error: Error): void;
}

/** A thread that reads pieces of a file, one after the other. */
export class Scanner {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  #dead: Error | undefined;

  constructor(workerData: ScannerData) {
    this.#worker = new Worker(new URL('./scan-thread.ts', import.meta.url), {
      workerData,
      name: 'images',
      execArgv: [],
      env: environment(),
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 },
    });
    this.#worker.on('message', (piece: Piece) => this.#waiting.shift()?.resolve(piece));
    this.#worker.on('error', (error) => this.#die(error instanceof Error ? error : new Error(String(error))));
    this.#worker.once('exit', () => this.#die(new Error('a thread that reads the images has ended')));
  }

  /** Several may be asked for; they are read in order. Rejects where the thread has died, or cannot read the file. */
  read(span: Span, isSure: boolean): Promise<Piece> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    this.#worker.postMessage({ span, isSure } satisfies ScanOrder);
    const read = new Promise<Piece>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    // Told to whoever waits for the piece, if anybody does.
    read.catch(() => undefined);
    return read;
  }

  /** Ends it, whatever it does. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #die(error: Error): void {
    this.#dead ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#dead);
  }
}

/** Threads do not look by themselves where their program keeps what is compiled: in a checkout each would load Node's type stripper. */
function environment(): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir();
  if (folder === undefined) return process.env;
  return { ...process.env, NODE_COMPILE_CACHE: dirname(folder), NODE_COMPILE_CACHE_PORTABLE: '1' };
}
