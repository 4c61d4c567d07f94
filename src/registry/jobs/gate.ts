/** Lets so many in at once as it is told to when somebody comes or leaves; the others wait in the order they came. */
export class Gate {
  readonly #most: () => number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  /** @param most how many may be inside now */
  constructor(most: () => number) {
    this.#most = most;
  }

  /** Runs `work` inside. Rejects with the signal's reason where that is aborted before it is let in. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#inside -= 1;
      while (this.#inside < this.#most() && this.#waiting.length > 0) this.#waiting.shift()?.();
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#inside < this.#most()) {
      this.#inside += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', giveUp);
        this.#inside += 1;
        resolve();
      };
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting.push(enter);
    });
  }
}
