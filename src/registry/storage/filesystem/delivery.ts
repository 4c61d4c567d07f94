import { Transform, type Writable } from 'node:stream';
import { gone, PATIENCE } from '../departure.ts';
import type { Held, SlowLane } from '../slow-lane.ts';
import type { BufferPool } from './pool.ts';

/** A client that has not taken a buffer after this time is gone, milliseconds. */
const STALLED = 120_000;

export interface Lent {
  readonly buffer: Buffer;
  readonly pool: BufferPool;
  /** Client address. */
  readonly owner: string;
}

/**
 * Writes bytes of a pooled buffer and waits until the sink needs them no more; then gives the buffer back, or leaves it to
 * the garbage collector where somebody might still read from it. Resolves with the time that it took, milliseconds.
 * Rejects when the sink fails, is destroyed, or stalls.
 */
export function deliver(sink: Writable, lent: Lent & { readonly length: number }, lane: SlowLane): Promise<number> {
  return new Promise((resolve, reject) => {
    const since = performance.now();
    let held: Held | undefined;
    let done = false;
    const settle = (error?: Error | null) => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      sink.off('close', closed);
      if (held !== undefined) lane.leave(held);
      giveBack(lent, { free: !error && !keepsBytes(sink), replaced: held !== undefined });
      if (error) reject(error);
      else resolve(performance.now() - since);
    };
    const closed = () => settle(gone());
    const drop = () => {
      settle(gone());
      sink.destroy();
    };
    const impatient = () => {
      if (performance.now() - since > STALLED) return drop();
      if (held === undefined) {
        const slow = { owner: lent.owner, bytes: lent.buffer.byteLength, since, drop };
        if (lane.admit(slow)) {
          held = slow;
          lent.pool.replace(lent.owner);
        }
      }
      timer.refresh();
    };
    const timer = setTimeout(impatient, PATIENCE);
    if (sink.destroyed) return settle(gone());
    sink.once('close', closed);
    sink.write(lent.buffer.subarray(0, lent.length), settle);
  });
}

/** A buffer that somebody might still read from is left to the garbage collector. */
function giveBack({ buffer, pool, owner }: Lent, is: { free: boolean; replaced: boolean }): void {
  if (is.free && is.replaced) pool.takeBack(buffer);
  else if (is.free) pool.give(buffer, owner);
  else if (!is.replaced) pool.replace(owner);
}

/** A Transform calls back when it has passed the bytes on, not when they are gone; sockets and responses keep none. */
function keepsBytes(sink: Writable): boolean {
  return sink instanceof Transform;
}
