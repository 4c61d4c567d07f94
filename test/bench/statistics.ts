/** The middle value; the mean of the two middle ones where their number is even. Throws RangeError where there is none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError('no values have no median');
  return (lower + upper) / 2;
}

/** How far apart the values lie, as a share of their median: 0.1 is ten per cent. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/**
 * How many times better ours is: the median of the ratios of bursts that followed each other, so that a machine that was slow
 * for a while slows both sides of a ratio. `less`: a smaller value is the better one.
 */
export function ratio(ours: readonly number[], peer: readonly number[], better: 'more' | 'less'): number {
  if (ours.length !== peer.length) throw new RangeError(`${ours.length} bursts cannot be paired with ${peer.length}`);
  const ratios = ours.map((value, round) => {
    const other = peer[round] ?? Number.NaN;
    return better === 'more' ? value / other : other / value;
  });
  return median(ratios);
}
