/**
 * A bounded number of buffers for all the clients there are: who finds none waits his turn, so memory does not grow with clients.
 */
export class BufferPool {
  readonly size: number;
  #most: number;
  #made = 0;
  #free: Buffer[] = [];
  #waiting: ((buffer: Buffer) => void)[] = [];

  constructor(size: number, most: number) {
    this.size = size;
    this.#most = most;
  }

  /** A buffer at once, or undefined where all are lent and others wait. */
  tryTake(): Buffer | undefined {
    if (this.#waiting.length > 0) return undefined;
    const buffer = this.#free.pop();
    if (buffer !== undefined || this.#made >= this.#most) return buffer;
    this.#made += 1;
    return Buffer.allocUnsafeSlow(this.size);
  }

  take(): Promise<Buffer> {
    const buffer = this.tryTake();
    return buffer !== undefined ? Promise.resolve(buffer) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(buffer);
    else this.#free.push(buffer);
  }

  /** Instead of `give` where the buffer is not free (yet): another may be made in its place. */
  replace(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(Buffer.allocUnsafeSlow(this.size));
    else this.#made -= 1;
  }

  /** Takes a buffer back that was replaced, where there is room for it. */
  takeBack(buffer: Buffer): void {
    if (this.#made >= this.#most) return;
    this.#made += 1;
    this.give(buffer);
  }
}
