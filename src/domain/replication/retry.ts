/** How long a rule waits between attempts at what failed. */
export interface RetryWaits {
  /** Milliseconds. */
  readonly min: number;
  readonly max: number;
}

/**
 * The wait after the `failures`-th failure in a row (1 is the first), milliseconds: doubled each time up to the longest, with a
 * quarter more or less, so that what failed together does not come back together.
 * @param chance 0 ≤ chance < 1
 * @param asked what the other side asked for (`Retry-After`): never come back earlier
 */
export function retryWait({ min, max }: RetryWaits, failures: number, chance: number, asked = 0): number {
  const wait = Math.min(max, min * 2 ** Math.min(failures - 1, 40));
  return Math.max(asked, Math.min(max, wait * (0.75 + chance / 2)));
}
