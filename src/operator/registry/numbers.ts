/**
 * Keeps numbers that move all the time from causing writes: what an idle registry reports must not change its status.
 */
export interface StorageNumbers {
  usedBytes?: number;
  reclaimableBytes?: number;
  freeBytes?: number;
}

const mebibyte = 1024 * 1024;

/** The numbers to publish: for each, the earlier one while the new one is within 1 % or 1 MiB of it. */
export function settleNumbers(earlier: StorageNumbers | undefined, now: StorageNumbers): StorageNumbers {
  const settled: StorageNumbers = {};
  for (const key of ['usedBytes', 'reclaimableBytes', 'freeBytes'] as const) {
    const value = settle(earlier?.[key], now[key], key === 'freeBytes' ? 0.05 : 0.01);
    if (value !== undefined) settled[key] = value;
  }
  return settled;
}

/** Zero is told exactly: "nothing left" and "nothing there" are what people look for. */
function settle(earlier: number | undefined, now: number | undefined, share: number): number | undefined {
  if (earlier === undefined || now === undefined || now === 0 || earlier === 0) return now;
  return Math.abs(now - earlier) <= Math.max(mebibyte, earlier * share) ? earlier : now;
}
