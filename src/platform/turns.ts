import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between two looks whether something large still arrives. */
const LOOK = 10;

/** Work that takes much memory, one at a time: each frees what it took before the next one begins. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #arriving = 0;

  /** Something large begins to arrive, which nobody can be made to wait with. Returns what says that it is gone. */
  arrive(): () => void {
    this.#arriving++;
    return () => {
      this.#arriving--;
    };
  }

  /** Resolves when the turns that are taken now are over, or after `patience` (milliseconds). */
  async free(patience: number): Promise<void> {
    const bell = new AbortController();
    await Promise.race([this.#last, sleep(patience, undefined, { signal: bell.signal }).catch(() => undefined)]);
    bell.abort();
  }

  /** Runs work that can wait at a moment when nothing large arrives, or after `patience` (milliseconds) all the same. */
  async runLater<T>(work: () => Promise<T>, patience: number): Promise<T> {
    const deadline = performance.now() + patience;
    while (this.#arriving > 0 && performance.now() < deadline) await sleep(LOOK);
    return this.run(work);
  }

  /** Runs `work` after all that came before it, whether that failed or not. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
