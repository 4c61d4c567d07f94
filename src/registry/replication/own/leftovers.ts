/** Bytes of chunks that are let go between two collections: they hardly weigh on the JavaScript heap, which would let them pile up. */
const most = 24 * 1024 * 1024;

/** Collects what copying leaves behind, all transfers of a process together, before it becomes tens of megabytes. */
export class Leftovers {
  readonly #collect: () => void;
  #bytes = 0;

  /** @param collect collects garbage now; Node offers it where it was started with `--expose-gc` */
  constructor(collect: () => void = globalThis.gc ?? (() => undefined)) {
    this.#collect = collect;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < most) return;
    this.#bytes = 0;
    this.#collect();
  }
}
