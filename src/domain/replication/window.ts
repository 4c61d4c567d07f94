/** Times of day in which copies run. */
export interface Window {
  /** Minutes since midnight. */
  readonly start: number;
  readonly end: number;
  /** IANA name. */
  readonly timeZone: string;
}

const day = 24 * 60;

/** Milliseconds until the window opens; 0 while it is open. The same start and end is a window that never closes. */
export function opensIn({ start, end, timeZone }: Window, now: number): number {
  const { minutes, millis } = timeOfDay(now, timeZone);
  const length = (end - start + day) % day || day;
  if ((minutes - start + day) % day < length) return 0;
  return ((start - minutes + day) % day) * 60_000 - millis;
}

/** `22:30`: minutes since midnight, or undefined where it is no time of day. */
export function readTimeOfDay(text: string): number | undefined {
  const [, hours, minutes] = /^([01][0-9]|2[0-3]):([0-5][0-9])$/.exec(text) ?? [];
  return hours === undefined ? undefined : Number(hours) * 60 + Number(minutes);
}

/** Whether the platform knows this name of a time zone. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function timeOfDay(now: number, timeZone: string): { minutes: number; millis: number } {
  const clock = new Intl.DateTimeFormat('en', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const parts = new Map(clock.formatToParts(now).map(({ type, value }) => [type, Number(value)]));
  return { minutes: (parts.get('hour') ?? 0) * 60 + (parts.get('minute') ?? 0), millis: now % 60_000 };
}
