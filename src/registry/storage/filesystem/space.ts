import { statfs } from 'node:fs/promises';
import { noSpace } from './faults.ts';

/** How long a measurement serves, milliseconds; what is written meanwhile is counted. */
const FRESH = 250;

/** Watches the free space, so that uploads leave the reserve alone that deletes need. */
export class Space {
  #directory: string;
  #reserve: number;
  #free = 0;
  #measuredAt = Number.NEGATIVE_INFINITY;

  /** `reserve`: bytes that uploads must leave free. */
  constructor(directory: string, reserve: number) {
    this.#directory = directory;
    this.#reserve = reserve;
  }

  setReserve(bytes: number): void {
    this.#reserve = bytes;
  }

  /** Free bytes that this process may use. */
  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#directory);
    this.#free = bavail * bsize;
    this.#measuredAt = performance.now();
    return this.#free;
  }

  /** Throws Refusal TOOMANYREQUESTS where `bytes` more would eat the reserve. */
  async claim(bytes: number): Promise<void> {
    if (this.#reserve === 0) return;
    if (performance.now() - this.#measuredAt > FRESH) await this.free();
    if (this.#free - bytes < this.#reserve) throw noSpace();
    this.#free -= bytes;
  }
}
