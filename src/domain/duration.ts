const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `36h`, `1d12h`: milliseconds, or undefined where the text is no such duration. */
export function parseDuration(text: string): number | undefined {
  if (!/^([0-9]{1,6}[smhd])+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/([0-9]+)([smhd])/g))
    sum += Number(number) * units[unit as keyof typeof units];
  return sum;
}
