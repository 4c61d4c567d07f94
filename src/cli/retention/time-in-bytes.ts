/** Too many of anything. */
const noNumber = 1_000_000;
/** Bytes of a date and the time of a day. */
const wholeLength = '0000-00-00T00:00:00'.length;
const [zero, dot, plus, minus, colon, tee, zulu] = [0x30, 0x2e, 0x2b, 0x2d, 0x3a, 0x54, 0x5a];
const [day, hour, minute, second] = [86_400_000, 3_600_000, 60_000, 1000];
/** Of months, from 1; February's 29th is left to who knows the years. */
const lastDays = Uint8Array.of(0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31);

/**
 * The time that `parseTime` finds in a text, for most of the texts in which it finds one: the strings and dates of a million images
 * would take longer than all the rest of reading them.
 * @returns milliseconds since the epoch; NaN where only `parseTime` can tell
 */
export function timeInBytes(bytes: Uint8Array, from: number, to: number): number {
  if (bytes[from + 10] !== tee) return Number.NaN;
  const end = from + wholeLength;
  const zone = endOfFraction(bytes, end);
  const whole = dateAt(bytes, from) + clockAt(bytes, from + 11);
  return whole + thousandths(bytes, end + 1, zone) - zoneAt(bytes, zone, to);
}

/** Where it is, too, if it is none: a zone does not begin with a dot. */
function endOfFraction(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (isDigit(bytes[at])) at++;
  return bytes[start] === dot && at > start + 1 ? at : start;
}

/** The first three digits of a fraction. */
function thousandths(bytes: Uint8Array, from: number, to: number): number {
  let found = 0;
  let weight = 100;
  for (let at = from; at < to && weight >= 1; at++) {
    found += weight * ((bytes[at] ?? 0) - zero);
    weight /= 10;
  }
  return found;
}

function dateAt(bytes: Uint8Array, at: number): number {
  if (bytes[at + 4] !== minus || bytes[at + 7] !== minus) return Number.NaN;
  const year = 100 * twoAt(bytes, at) + twoAt(bytes, at + 2);
  const month = twoAt(bytes, at + 5);
  const dayOfMonth = twoAt(bytes, at + 8);
  const isDay = dayOfMonth >= 1 && dayOfMonth <= (lastDays[month] ?? 0);
  if (year < 1600 || year > 9999 || !isDay) return Number.NaN;
  return (daysBefore(year, month) + dayOfMonth - 1) * day;
}

/** Days from the epoch to the first of a month. Years begin in March here, so that the leap day is the last of its year. */
function daysBefore(year: number, month: number): number {
  const years = month > 2 ? year : year - 1;
  const months = month > 2 ? month - 3 : month + 9;
  const leapDays = Math.floor(years / 4) - Math.floor(years / 100) + Math.floor(years / 400);
  const epoch = 719_468;
  return 365 * years + leapDays + Math.floor((153 * months + 2) / 5) - epoch;
}

function clockAt(bytes: Uint8Array, at: number): number {
  if (bytes[at + 2] !== colon || bytes[at + 5] !== colon) return Number.NaN;
  const hours = twoAt(bytes, at);
  const minutes = twoAt(bytes, at + 3);
  const seconds = twoAt(bytes, at + 6);
  if (hours > 23 || minutes > 59 || seconds > 59) return Number.NaN;
  return hours * hour + minutes * minute + seconds * second;
}

/** What a zone, which ends the text, is ahead of UTC. */
function zoneAt(bytes: Uint8Array, at: number, to: number): number {
  const sign = bytes[at];
  if (sign === zulu && at + 1 === to) return 0;
  if ((sign !== plus && sign !== minus) || at + 6 !== to || bytes[at + 3] !== colon) return Number.NaN;
  const hours = twoAt(bytes, at + 1);
  const minutes = twoAt(bytes, at + 4);
  if (hours > 23 || minutes > 59) return Number.NaN;
  return (sign === plus ? 1 : -1) * (hours * hour + minutes * minute);
}

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= zero && code <= zero + 9;
}

/** Two digits; `noNumber` where there are others. Text beyond the end is a quote, which is none. */
function twoAt(bytes: Uint8Array, at: number): number {
  const high = (bytes[at] ?? 0) - zero;
  const low = (bytes[at + 1] ?? 0) - zero;
  // Less than zero where one is, or is above 9.
  return (high | low | (9 - high) | (9 - low)) < 0 ? noNumber : 10 * high + low;
}
