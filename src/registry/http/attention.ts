/** Requests that come at least this fast keep the event loop awake, milliseconds between two answers. */
const BUSY = 0.2;
/** For how long after an answer, milliseconds. */
const LINGER = 0.1;

/**
 * Keeps the event loop from falling asleep between two requests of a busy moment. Waking a sleeping thread takes the kernel tens
 * of microseconds, on a virtual machine as long as answering; a client with sixteen connections and a server that take turns
 * at sleeping lose a third of what they could do. Where requests are sparse nothing is ever done here.
 */
export class Attention {
  #last = Number.NEGATIVE_INFINITY;
  #until = 0;
  #awake = false;

  /** @param now `performance.now()`, which the caller has at hand */
  answered(now: number): void {
    const busy = now - this.#last < BUSY;
    this.#last = now;
    if (!busy) return;
    this.#until = now + LINGER;
    if (this.#awake) return;
    this.#awake = true;
    setImmediate(this.#look);
  }

  /** An immediate that is pending makes the loop look for what arrived without waiting for it. */
  readonly #look = (): void => {
    if (performance.now() < this.#until) setImmediate(this.#look);
    else this.#awake = false;
  };
}
