import type { Clock } from '../../../src/operator/runtime/clock.ts';

/** A clock that a test winds: `advance` runs what falls due, in order. */
export class ManualClock implements Clock {
  #ms = 0;
  #timers = new Set<{ at: number; call: () => void }>();

  monotonicMs(): number {
    return this.#ms;
  }

  now(): Date {
    return new Date(Date.UTC(2030, 0, 1) + this.#ms);
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.#ms + ms, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get pending(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const until = this.#ms + ms;
    for (;;) {
      const next = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#ms = next.at;
      next.call();
    }
    this.#ms = until;
  }

  /** The same, letting promises settle between the timers. */
  async advanceSettling(ms: number, stepMs = 100): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.advance(Math.min(stepMs, left));
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
