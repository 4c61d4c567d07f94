/**
 * What one client address may have of something that all share: three quarters while nobody else is there, so that the next
 * one finds some left; then an equal part. At least one, or it would never get on.
 * @param most all that there is
 * @param owners how many share it, the asking one included
 */
export function shareOf(most: number, owners: number): number {
  return Math.max(1, owners > 1 ? Math.ceil(most / owners) : Math.floor((most * 3) / 4));
}
