/** Work that takes much memory, one at a time: each frees what it took before the next one begins. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` after all that came before it, whether that failed or not. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
