/** Which images belong to which, by position: four bytes for an image and for each relation, and nothing where there is none. */
export class Relation {
  readonly #starts: Uint32Array;
  readonly #targets: Uint32Array;

  /**
   * @param size number of images
   * @param from the one end of each relation, by position
   * @param to the other
   */
  constructor(size: number, from: Uint32Array, to: Uint32Array) {
    this.#starts = new Uint32Array(from.length === 0 ? 0 : size + 1);
    this.#targets = new Uint32Array(from.length);
    for (const source of from) this.#starts[source + 1] = (this.#starts[source + 1] ?? 0) + 1;
    for (let image = 1; image < this.#starts.length; image++)
      this.#starts[image] = (this.#starts[image] ?? 0) + (this.#starts[image - 1] ?? 0);
    const next = this.#starts.slice();
    for (const [index, source] of from.entries()) {
      const place = next[source] ?? 0;
      this.#targets[place] = to[index] ?? 0;
      next[source] = place + 1;
    }
  }

  get isEmpty(): boolean {
    return this.#targets.length === 0;
  }

  has(image: number): boolean {
    return !this.isEmpty && this.#starts[image] !== this.#starts[image + 1];
  }

  /** In the order in which they were given; one that was given twice stands here twice. */
  of(image: number): Uint32Array {
    if (this.isEmpty) return this.#targets;
    return this.#targets.subarray(this.#starts[image], this.#starts[image + 1]);
  }
}
