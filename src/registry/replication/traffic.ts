import type { CopyEvent } from '../../transfer/copy/events.ts';
import type { CopyWatch } from './copy-tag.ts';

/** Counts what goes over the wire to one target. Bytes. */
export class Traffic {
  /** Of blobs, since the rule was made. */
  sent: number;
  /** Of the images under way: what is still to be sent, at most. */
  outstanding = 0;
  readonly #onBytes: (bytes: number) => void;

  constructor(before: number, onBytes: (bytes: number) => void) {
    this.sent = before;
    this.#onBytes = onBytes;
  }

  /** Watches one copy. */
  async during<T>(copy: (watch: CopyWatch) => Promise<T>, signal: AbortSignal): Promise<T> {
    const moved = new Map<string, number>();
    let left = 0;
    const settle = (bytes: number) => {
      const less = Math.min(bytes, left);
      left -= less;
      this.outstanding -= less;
    };
    const onEvent = (event: CopyEvent) => {
      if (event.kind === 'plan') {
        left += event.bytes;
        this.outstanding += event.bytes;
      } else if (event.kind === 'blob' && event.state === 'moving') {
        // After a cut a part is sent again, and counted again.
        const before = moved.get(event.digest) ?? 0;
        moved.set(event.digest, event.done);
        this.#count(Math.max(0, event.done - before));
        settle(Math.max(0, event.done - before));
      } else if (event.kind === 'blob' && (event.state === 'present' || event.state === 'mounted')) settle(event.size);
    };
    try {
      return await copy({ onEvent, signal });
    } finally {
      settle(left);
    }
  }

  #count(bytes: number): void {
    this.sent += bytes;
    if (bytes > 0) this.#onBytes(bytes);
  }
}
