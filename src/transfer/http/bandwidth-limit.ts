import { setTimeout as delay } from 'node:timers/promises';
import { cancelled } from '../errors.ts';

/** How much may be sent ahead of the rate, in milliseconds of it: enough to bridge timers that are late on a busy machine. */
const burstMs = 100;
/** A larger chunk is paid for in parts, so that no transfer waits long for the others. */
const portion = 262_144;

/**
 * So many bytes a second for everything that goes through one object: a rule's transfers share one, however many there
 * are. Who asks first goes first. A change of `bytesPerSecond` counts from the next chunk on.
 */
export class BandwidthLimit {
  /** Bytes. @throws RangeError where it is set to no positive number */
  #bytesPerSecond = 0;
  readonly #now: () => number;
  /** When everything that was let through so far will have passed at the rate, in milliseconds. */
  #paidUntil = 0;

  constructor(bytesPerSecond: number, now: () => number = () => performance.now()) {
    this.#now = now;
    this.bytesPerSecond = bytesPerSecond;
  }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  set bytesPerSecond(value: number) {
    if (!(value > 0)) throw new RangeError(`a bandwidth limit is a positive number of bytes a second, not ${value}`);
    this.#bytesPerSecond = value;
  }

  /** Waits until `bytes` may pass. @throws TransferError `Cancelled` at once when `signal` is aborted; nothing is paid then */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw cancelled(signal);
    const cost = (bytes / this.#bytesPerSecond) * 1000;
    const now = this.#now();
    this.#paidUntil = Math.max(this.#paidUntil, now - burstMs) + cost;
    const wait = this.#paidUntil - now;
    if (wait <= 0) return;
    await delay(wait, undefined, { signal }).catch(() => {
      this.#paidUntil -= cost;
      throw cancelled(signal);
    });
  }

  /** Passes chunks on at the rate. */
  async *passing(chunks: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += portion) {
        const part = at === 0 && chunk.length <= portion ? chunk : chunk.subarray(at, at + portion);
        await this.take(part.length, signal);
        yield part;
      }
    }
  }
}
