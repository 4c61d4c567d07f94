/** Kubernetes quantities and durations, as far as a Registry's spec uses them. */
const suffixes: Readonly<Record<string, bigint>> = {
  '': 1n,
  k: 1000n,
  M: 1000n ** 2n,
  G: 1000n ** 3n,
  T: 1000n ** 4n,
  P: 1000n ** 5n,
  Ki: 1024n,
  Mi: 1024n ** 2n,
  Gi: 1024n ** 3n,
  Ti: 1024n ** 4n,
  Pi: 1024n ** 5n,
};

/**
 * A quantity of bytes (`20Gi`, `1.5G`, `500M`, `1e9`, a number) in bytes, rounded up as Kubernetes does.
 * Throws on anything else.
 */
export function parseBytes(quantity: string | number): number {
  const match = /^(\d+)(?:\.(\d+))?(?:[eE](\d{1,2})|([kMGTP]|[KMGTP]i))?$/.exec(String(quantity));
  const scale = suffixes[match?.[4] ?? ''];
  if (match?.[1] === undefined || scale === undefined) throw new RangeError(`"${quantity}" is not a quantity of bytes`);
  const fraction = match[2] ?? '';
  const exponent = 10n ** BigInt(match[3] ?? 0);
  const numerator = BigInt(match[1] + fraction) * scale * exponent;
  const denominator = 10n ** BigInt(fraction.length);
  const bytes = Number((numerator + denominator - 1n) / denominator);
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`"${quantity}" is more than 8 Pi`);
  return bytes;
}

const units: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };

/** A duration (`90s`, `5m`, `1h30m`; units in any order, as the schema has it) in whole seconds. Throws on anything else. */
export function parseSeconds(duration: string): number {
  if (!/^(\d+[hms])+$/.test(duration)) {
    throw new RangeError(`"${duration}" is not a duration like 90s, 5m or 1h30m`);
  }
  let seconds = 0;
  for (const [, count, unit] of duration.matchAll(/(\d+)([hms])/g)) seconds += Number(count) * (units[unit ?? ''] ?? 0);
  return seconds;
}

/** Bytes for a person: `1.5 GiB`. */
export function describeBytes(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let at = 0;
  while (value >= 1024 && at < names.length - 1) {
    value /= 1024;
    at++;
  }
  return `${at === 0 ? value : value.toFixed(1)} ${names[at]}`;
}
