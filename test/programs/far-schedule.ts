/**
 * A schedule that comes half a day from now: every rule compares once in a while by itself, at each full hour unless told, which
 * would come between what a test does and what it counts.
 */
export function farSchedule(now = new Date()): string {
  return `0 ${(now.getUTCHours() + 12) % 24} * * *`;
}
