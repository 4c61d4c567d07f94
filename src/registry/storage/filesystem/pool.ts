import { giveBack } from '../../../platform/give-back.ts';
import { shareOf } from '../shares.ts';

type Waiter = (buffer: Buffer) => void;

/**
 * A bounded number of buffers for all the clients there are: who finds none waits, so memory does not grow with clients. The
 * owners of requests (client addresses) take turns and have a share each, so that nobody takes all by not reading.
 */
export class BufferPool {
  readonly size: number;
  readonly #most: number;
  #made = 0;
  /** The last one is taken first, so those at the front are used least. */
  readonly #free: Buffer[] = [];
  /** The fewest that were free since `trim`. */
  #unused = 0;
  /** Buffers lent, by owner; only who holds some is here. */
  readonly #lent = new Map<string, number>();
  /** By owner, in the order of their turns. */
  readonly #waiting = new Map<string, Waiter[]>();

  constructor(size: number, most: number) {
    this.size = size;
    this.#most = most;
  }

  take(owner: string): Promise<Buffer> {
    const buffer = this.#waiting.has(owner) || !this.#mayHold(owner) ? undefined : this.#spare();
    if (buffer !== undefined) {
      this.#count(owner, 1);
      return Promise.resolve(buffer);
    }
    return new Promise((resolve) => {
      const queue = this.#waiting.get(owner);
      if (queue === undefined) this.#waiting.set(owner, [resolve]);
      else queue.push(resolve);
    });
  }

  give(buffer: Buffer, owner: string): void {
    this.#count(owner, -1);
    this.#free.push(buffer);
    this.#serve();
  }

  /** Instead of `give` where the buffer is not free (yet): another may be made in its place. */
  replace(owner: string): void {
    this.#count(owner, -1);
    this.#made -= 1;
    this.#serve();
  }

  /** Takes a buffer back that was replaced, where there is room for it. */
  takeBack(buffer: Buffer): void {
    if (this.#made >= this.#most) return;
    this.#made += 1;
    this.#free.push(buffer);
    this.#serve();
  }

  /** Frees the buffers that nobody had a use for since the last call. */
  trim(): void {
    for (const buffer of this.#free.splice(0, this.#unused)) {
      this.#made -= 1;
      giveBack(buffer);
    }
    this.#unused = this.#free.length;
  }

  #mayHold(owner: string): boolean {
    const held = this.#lent.get(owner) ?? 0;
    const others = Math.max(besides(this.#lent, owner), besides(this.#waiting, owner));
    return held < shareOf(this.#most, others + 1);
  }

  #spare(): Buffer | undefined {
    const buffer = this.#free.pop();
    this.#unused = Math.min(this.#unused, this.#free.length);
    if (buffer !== undefined || this.#made >= this.#most) return buffer;
    this.#made += 1;
    return Buffer.allocUnsafeSlow(this.size);
  }

  #count(owner: string, change: 1 | -1): void {
    const held = (this.#lent.get(owner) ?? 0) + change;
    if (held === 0) this.#lent.delete(owner);
    else this.#lent.set(owner, held);
  }

  /** Hands out what is there. An owner that was served goes behind the others: a Map iterates in the order of insertion. */
  #serve(): void {
    for (const [owner, queue] of this.#waiting) {
      if (!this.#mayHold(owner)) continue;
      const buffer = this.#spare();
      if (buffer === undefined) return;
      const next = queue.shift();
      this.#waiting.delete(owner);
      if (queue.length > 0) this.#waiting.set(owner, queue);
      this.#count(owner, 1);
      next?.(buffer);
    }
  }
}

function besides(owners: ReadonlyMap<string, unknown>, owner: string): number {
  return owners.size - (owners.has(owner) ? 1 : 0);
}
