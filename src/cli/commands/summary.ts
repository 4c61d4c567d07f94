import type { CopyResult } from '../../transfer/copy/copy-image.ts';
import { formatBytes } from '../text.ts';

/** One copy in words. */
export function copySummary(reference: string, result: CopyResult): string {
  const { copied, mounted, present } = result.blobs;
  const parts = [`${copied} blobs copied (${formatBytes(result.bytes)})`];
  if (mounted > 0) parts.push(`${mounted} mounted`);
  if (present > 0) parts.push(`${present} there already`);
  if (result.referrers > 0) parts.push(`${result.referrers} referrers`);
  return `${reference}@${result.digest}\n${result.changed ? parts.join(', ') : 'nothing to do: it was there already'}`;
}
