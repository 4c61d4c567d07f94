import { Line, type LineOptions } from './line.ts';

/** How long a line waits for its next question, in milliseconds: shorter than any server does. */
const idleMs = 3000;
const mostIdle = 16;

/** Lines that wait for another question, by where they lead. */
export class Lines {
  readonly #idle = new Map<string, { readonly line: Line; readonly timer: NodeJS.Timeout }[]>();
  readonly #open = new Set<Line>();

  /** A line that is open already, or a new one. */
  take(key: string, options: () => LineOptions): { readonly line: Line; readonly used: boolean } {
    const waiting = this.#idle.get(key) ?? [];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      clearTimeout(next.timer);
      if (!next.line.open) continue;
      next.line.ref(true);
      return { line: next.line, used: true };
    }
    const line = new Line(options());
    this.#open.add(line);
    line.onClose(() => this.#open.delete(line));
    return { line, used: false };
  }

  /** Keeps a line for the next question. */
  give(key: string, line: Line): void {
    const waiting = this.#idle.get(key) ?? [];
    if (!line.open || !line.quiet || waiting.length >= mostIdle) {
      line.destroy();
      return;
    }
    line.ref(false);
    const timer = setTimeout(() => this.#drop(key, line), idleMs);
    timer.unref();
    this.#idle.set(key, [...waiting, { line, timer }]);
  }

  close(): void {
    for (const line of this.#open) line.destroy();
  }

  #drop(key: string, line: Line): void {
    line.destroy();
    const left = (this.#idle.get(key) ?? []).filter((waiting) => waiting.line !== line);
    if (left.length === 0) this.#idle.delete(key);
    else this.#idle.set(key, left);
  }
}
