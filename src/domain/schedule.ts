import { Cron } from 'croner';

/**
 * The next time (ms since the epoch) after `after` that a schedule names: five fields of cron, or `@hourly` and the like.
 * Throws RangeError that says what is wrong with it, also where it never comes again.
 * @param timeZone name in the IANA database
 */
export function nextTime(schedule: string, after: number, timeZone = 'UTC'): number {
  const cron = read(schedule, zone(timeZone));
  const next = cron.nextRun(new Date(after));
  if (next === null) throw new RangeError(`the schedule ${JSON.stringify(schedule)} never comes`);
  return next.getTime();
}

/** croner takes a name that nobody knows, and fails with it much later. */
function zone(name: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch (cause) {
    const message = `the time zone ${JSON.stringify(name)} is not in the IANA database; use a name such as Europe/Berlin`;
    throw new RangeError(message, { cause });
  }
}

function read(schedule: string, timezone: string): Cron {
  try {
    return new Cron(schedule, { timezone, mode: '5-part' });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the schedule ${JSON.stringify(schedule)} is neither five fields of cron nor @hourly and the like: ${why}`;
    throw new RangeError(message, { cause });
  }
}
