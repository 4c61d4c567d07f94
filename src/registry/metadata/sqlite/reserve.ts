import { randomFillSync } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const CHUNK = 256 * 1024;

/**
 * Space that is held back for deletes: a file of random bytes (zeros might be stored as nothing), given up when SQLite
 * finds the disk full, and filled again once there is room.
 */
export class Reserve {
  readonly path: string;
  readonly bytes: number;
  #held = false;

  constructor(path: string, bytes: number) {
    this.path = path;
    this.bytes = bytes;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Takes the space where it is not taken yet and four times as much is free. A failure only means no reserve now. */
  hold(): boolean {
    if (this.#held || this.bytes === 0) return this.#held;
    try {
      this.#held = sizeOf(this.path) === this.bytes || (this.#roomy() && this.#fill());
    } catch {
      rmSync(`${this.path}.new`, { force: true });
    }
    return this.#held;
  }

  /** Gives the space up. */
  release(): void {
    this.#held = false;
    rmSync(this.path, { force: true });
  }

  #roomy(): boolean {
    const { bavail, bsize } = statfsSync(dirname(this.path));
    return bavail * bsize >= this.bytes * 4;
  }

  #fill(): boolean {
    const chunk = randomFillSync(Buffer.allocUnsafe(CHUNK));
    const file = openSync(`${this.path}.new`, 'w', 0o600);
    try {
      for (let left = this.bytes; left > 0; ) left -= writeSync(file, chunk, 0, Math.min(left, CHUNK));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${this.path}.new`, this.path);
    return true;
  }
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
