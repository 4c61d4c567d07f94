import type { Digest } from '../../domain/oci/digest.ts';
import type { BandwidthLimit } from '../http/bandwidth-limit.ts';
import type { ImageSource, ImageTarget, ManifestBytes } from '../image/image.ts';
import type { Slots } from '../registry/slots.ts';
import type { BlobLedger } from './blob-ledger.ts';
import { Copy } from './copy.ts';
import type { OnCopyEvent } from './events.ts';
import type { Platform } from './platform.ts';

/** What every copy needs to know. */
export interface CopySettings {
  readonly source: ImageSource;
  readonly target: ImageTarget;
  /** Leave out what an index names and the source lacks, instead of failing. */
  readonly allowMissing?: boolean;
  /** Blobs of this copy at once; 4 by default. */
  readonly concurrency?: number;
  /** Places for blobs that several copies share: a rule's limit. The hosts' own limits count besides. */
  readonly slots?: Slots;
  /** The limit that several copies share. */
  readonly bandwidth?: BandwidthLimit;
  /** Blobs that other copies already see to: one transfer per target and digest. */
  readonly ledger?: BlobLedger;
  readonly onEvent?: OnCopyEvent;
  readonly signal: AbortSignal;
}

export interface CopyOptions extends CopySettings {
  /** What to copy: a tag or digest at the source, or a manifest that was read from it. */
  readonly image: string | ManifestBytes;
  /** The tag at the target; without it the image is written under its digest alone. */
  readonly tag?: string;
  /** Headers of the request that sets the tag. */
  readonly tagHeaders?: Readonly<Record<string, string>>;
  /** What the target told a moment ago: it is not asked again. */
  readonly known?: {
    /** What `tag` stands for there. */
    readonly before: Digest | undefined;
    /** Whether it has the image: true only where that is sure, false costs a few requests where it was wrong. */
    readonly holds: boolean;
  };
  /** Only these platforms of an index, which keeps its digest. */
  readonly platforms?: readonly Platform[];
  /** Signatures, SBOMs and whatever else has the image, or one of its parts, as its subject. */
  readonly referrers?: boolean;
  /** A moment ago there were none: the tag brings the image, and what has come meanwhile follows. */
  readonly referrersNotYet?: boolean;
}

/** What a copy did. */
export interface CopyCounts {
  /** Bytes of blobs that crossed the wire. */
  readonly bytes: number;
  readonly blobs: { readonly copied: number; readonly mounted: number; readonly present: number };
  readonly manifests: { readonly copied: number; readonly present: number };
  /** Referrers that were copied. */
  readonly referrers: number;
  /** Referrers that the source lists and does not have: they were left out. */
  readonly absent: readonly Digest[];
}

export interface CopyResult extends CopyCounts {
  readonly digest: Digest;
  readonly mediaType: string;
  /** False where the tag stood for this image before. */
  readonly changed: boolean;
}

/**
 * Copies an image with all that it needs: blobs → child manifests → the image by digest → referrers → tag last, so that
 * no tag at the target ever names an incomplete image. Bytes are exact and verified at both ends.
 * @throws TransferError whose `side` says which end failed
 */
export async function copyImage(options: CopyOptions): Promise<CopyResult> {
  const { tag, tagHeaders, platforms } = options;
  const copy = new Copy(options);
  const { root, before, there } = await startOf(copy, options);
  const { first, last } = referrersIn(options);
  const tagFollows = tag !== undefined && !first;
  const needs = {
    tagFollows,
    ...(there === undefined ? {} : { there }),
    ...(platforms === undefined ? {} : { platforms }),
  };
  const subjects = await copy.withNeeds(root, needs);
  if (first) await copy.referrersOf(subjects);
  if (tag !== undefined)
    await copy.setTag({ tag, root, before, brings: tagFollows, ...(tagHeaders && { headers: tagHeaders }) });
  if (last) await copy.referrersOf(subjects);
  const counts = copy.counts();
  return {
    digest: root.digest,
    mediaType: root.mediaType,
    changed: tag === undefined ? counts.manifests.copied > 0 : before !== root.digest,
    ...counts,
  };
}

/** Two questions to two registries: neither waits for the other. */
async function startOf(copy: Copy, { image, tag, known, signal }: CopyOptions) {
  const [root, before] = await Promise.all([
    typeof image === 'string' ? copy.source.manifest(image, signal) : image,
    tag === undefined || known !== undefined ? known?.before : copy.target.tagged(tag, signal),
  ]);
  const there = before === root.digest || known?.holds;
  return { root, before, there };
}

/** Before the tag, or after it. */
function referrersIn({ tag, referrers = false, referrersNotYet = false }: CopyOptions) {
  const last = referrers && referrersNotYet && tag !== undefined;
  return { first: referrers && !last, last };
}

/**
 * Copies what refers to manifests that the target has: signatures that came later than their image. What the target lists
 * already is not read again.
 */
export async function copyReferrers(
  options: CopySettings & { readonly subjects: Iterable<Digest> },
): Promise<CopyCounts> {
  const copy = new Copy(options);
  await copy.referrersOf(new Set(options.subjects));
  return copy.counts();
}
