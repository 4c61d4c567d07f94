import { type CopyOptions, type CopyResult, copyImage } from '../../../src/transfer/copy/copy-image.ts';
import { isTransferError, type TransferError } from '../../../src/transfer/errors.ts';
import { RegistryImage } from '../../../src/transfer/image/registry-image.ts';
import { readTags } from '../../../src/transfer/registry/listing.ts';
import { isFallbackTag } from '../../../src/transfer/registry/referrers.ts';
import type { Place } from './images.ts';

/** What a pass over all tags did. */
export interface Pass {
  readonly results: readonly CopyResult[];
  readonly failures: readonly TransferError[];
}

/** Copies every tag with its referrers, once. One tag's failure does not stop the others, as in a rule. */
export async function copyAll(from: Place, to: Place, more: Partial<CopyOptions> = {}): Promise<Pass> {
  const signal = more.signal ?? AbortSignal.timeout(240_000);
  const source = new RegistryImage(from.client, from.repository);
  const target = new RegistryImage(to.client, to.repository);
  const results: CopyResult[] = [];
  const failures: TransferError[] = [];
  const note = (error: unknown) => {
    if (!isTransferError(error)) throw error;
    failures.push(error);
  };
  const listing = await readTags(from.client, from.repository, signal).catch(note);
  for (const tag of (listing?.tags ?? []).filter((name) => !isFallbackTag(name))) {
    await copyImage({ source, target, image: tag, tag, referrers: true, ...more, signal }).then(
      (result) => results.push(result),
      note,
    );
  }
  return { results, failures };
}

/** Copies again and again until nothing fails: what a rule does in the end. Answers every failure on the way. */
export async function copyUntilDone(
  from: Place,
  to: Place,
  more: Partial<CopyOptions> = {},
): Promise<readonly TransferError[]> {
  const all: TransferError[] = [];
  for (let pass = 0; pass < 5; pass++) {
    const { failures } = await copyAll(from, to, more);
    all.push(...failures);
    if (failures.length === 0) return all;
  }
  throw new Error(`it does not converge: ${all.map(({ message }) => message).join('\n')}`);
}
