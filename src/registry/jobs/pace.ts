import { pause } from './pause.ts';

/** What looking at one blob costs beside its bytes, as bytes: a million small ones are no reason to hurry. */
const EACH = 64 * 1024;
/** A shorter pause (milliseconds) is put off until it has become longer. */
const WORTH_IT = 10;

/** Holds reading to so many bytes a second, on average since it began. */
export class Pace {
  readonly #rate: number;
  readonly #signal: AbortSignal;
  readonly #count: (bytes: number) => void;
  #owed = 0;
  #since = performance.now();

  /** @param rate bytes a second */
  constructor(rate: number, signal: AbortSignal, count: (bytes: number) => void) {
    this.#rate = rate;
    this.#signal = signal;
    this.#count = count;
  }

  /** Bytes were read: waits for as long as they should have taken. Rejects with the signal's reason. */
  async spent(bytes: number): Promise<void> {
    this.#count(bytes);
    await this.#pay(bytes);
  }

  /** One blob is done. */
  one(): Promise<void> {
    return this.#pay(EACH);
  }

  async #pay(bytes: number): Promise<void> {
    const now = performance.now();
    this.#owed = Math.max(0, this.#owed - (now - this.#since)) + (bytes / this.#rate) * 1000;
    this.#since = now;
    if (this.#owed >= WORTH_IT) await pause(this.#owed, this.#signal);
    else this.#signal.throwIfAborted();
  }
}
