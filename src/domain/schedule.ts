import { Cron } from 'croner';

/**
 * The next time (ms since the epoch) after `after` that a schedule names: five fields of cron in UTC, or `@hourly` and the like.
 * Throws RangeError that says what is wrong with it, also where it never comes again.
 */
export function nextTime(schedule: string, after: number): number {
  const cron = read(schedule);
  const next = cron.nextRun(new Date(after));
  if (next === null) throw new RangeError(`the schedule ${JSON.stringify(schedule)} never comes`);
  return next.getTime();
}

function read(schedule: string): Cron {
  try {
    return new Cron(schedule, { timezone: 'UTC', mode: '5-part' });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the schedule ${JSON.stringify(schedule)} is neither five fields of cron nor @hourly and the like: ${why}`;
    throw new RangeError(message, { cause });
  }
}
