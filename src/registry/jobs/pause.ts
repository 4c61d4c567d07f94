import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between two batches: requests go first. */
export const BREATH = 20;

/** Waits; rejects with the signal's reason as soon as that is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** Repeats a batch of at most `limit` until one comes back short. @returns how many there were in all */
export async function inBatches(limit: number, signal: AbortSignal, batch: () => Promise<number>): Promise<number> {
  for (let total = 0; ; await pause(BREATH, signal)) {
    const count = await batch();
    total += count;
    if (count < limit) return total;
  }
}
