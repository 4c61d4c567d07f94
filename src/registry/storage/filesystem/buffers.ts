import { SlowLane } from '../slow-lane.ts';
import { BufferPool } from './pool.ts';
import type { Occasion } from './sender.ts';
import { openSendfile, type Sendfile } from './sendfile.ts';

/** Buffers that nobody has a use for are freed after this time, milliseconds. */
const IDLE = 1_000;

/** The memory that all readers of a store share: 4 MiB, 2 MiB for what is small or slow, and the slow lane's bound. */
export class Buffers {
  readonly large = new BufferPool(512 * 1024, 8);
  readonly small = new BufferPool(64 * 1024, 32);
  readonly lane = new SlowLane();
  readonly #occasion: Occasion;
  /** Looked for when the first large file is sent: a registry that sends none need not know. */
  readonly #sendfile = { asked: false, found: undefined as Sendfile | undefined };
  readonly #trimmer = setInterval(() => {
    this.large.trim();
    this.small.trim();
  }, IDLE).unref();

  /** @param occasion as for `Sender` */
  constructor(occasion: Occasion) {
    this.#occasion = occasion;
  }

  /** The kernel's own way from a file to a socket, where there is one and it is known already. */
  get sendfile(): Sendfile | undefined {
    if (!this.#sendfile.asked) {
      this.#sendfile.asked = true;
      void openSendfile(this.#occasion).then((found) => {
        this.#sendfile.found = found;
      });
    }
    return this.#sendfile.found;
  }

  /** Bytes that went to clients without their sockets' knowledge. */
  get unseen(): number {
    return this.#sendfile.found?.sent ?? 0;
  }

  async close(): Promise<void> {
    clearInterval(this.#trimmer);
    await this.#sendfile.found?.sender.close();
  }
}
