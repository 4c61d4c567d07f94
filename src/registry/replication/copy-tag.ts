import type { Digest } from '../../domain/oci/digest.ts';
import type { Decision } from '../../domain/replication/decide.ts';
import { standOf } from '../../domain/replication/version.ts';
import { type CopySettings, copyImage, copyReferrers } from '../../transfer/copy/copy-image.ts';
import type { OnCopyEvent } from '../../transfer/copy/events.ts';
import type { ManifestBytes } from '../../transfer/image/image.ts';
import { versionHeaders } from '../version-headers.ts';
import type { RuleContext } from './context.ts';
import type { ListedTag, Side } from './side.ts';

export interface TagToCopy {
  /** Names of the repository at both ends. */
  readonly from: string;
  readonly to: string;
  readonly target: Side;
  readonly source: ListedTag & { readonly digest: Digest };
  /** What the tag stands for at the target now; undefined where it is not there. */
  readonly before: Digest | undefined;
  /** The target is known to have the image, under another tag perhaps. */
  readonly holds: boolean;
  readonly decision: Extract<Decision, { action: 'copy' }>;
}

/** How a copy goes on: told of bytes that went over the wire, and stopped. */
export interface CopyWatch {
  readonly onEvent: OnCopyEvent;
  readonly signal: AbortSignal;
}

/**
 * Copies a tag: blobs → children → the image by its digest → referrers → the tag last.
 * @returns false where the rule is not about this type of artifact
 * @throws TransferError
 */
export async function copyTag(context: RuleContext, tag: TagToCopy, watch: CopyWatch): Promise<boolean> {
  const settings = settingsOf(context, tag, watch);
  const { digest } = tag.source;
  if (tag.decision.reason === 'referrers') {
    await copyReferrers({ ...settings, subjects: await partsOf(settings, digest) });
    return true;
  }
  // By digest: a tag that moves meanwhile is another errand.
  const image = await settings.source.manifest(digest, watch.signal);
  if (!isWanted(context, image)) return false;
  await copyImage({
    ...settings,
    image,
    tag: tag.source.tag,
    known: { before: tag.before, holds: tag.holds },
    ...referrersOf(context, tag.source),
    ...(context.platforms.length > 0 && { platforms: context.platforms }),
    ...(tag.decision.versioned && { tagHeaders: versionOf(tag.source) }),
  });
  return true;
}

/**
 * Where nothing referred to the image a moment ago the tag need not wait. Of this registry's own images what came meanwhile follows at
 * once, because the errand that it made may have found no image; of others the next comparison finds it.
 */
function referrersOf({ loaded, source }: RuleContext, { referrers }: ListedTag) {
  const none = referrers === '';
  return { referrers: loaded.rule.referrers && (source.own || !none), referrersNotYet: none };
}

/** Copies what refers to an image that the target has. */
export async function copyReferrersOf(
  context: RuleContext,
  image: Pick<TagToCopy, 'from' | 'to' | 'target'> & { readonly subject: Digest },
  watch: CopyWatch,
): Promise<void> {
  const settings = settingsOf(context, image, watch);
  // Where the image itself is not there yet, it will bring them.
  if (!(await settings.target.hasManifest(image.subject, watch.signal))) return;
  await copyReferrers({ ...settings, subjects: [image.subject] });
}

function settingsOf(
  { source, sharing, slots, bandwidth, ledger, loaded }: RuleContext,
  { from, to, target }: Pick<TagToCopy, 'from' | 'to' | 'target'>,
  watch: CopyWatch,
): CopySettings {
  const image = source.image(from);
  return {
    source: sharing?.of(image) ?? image,
    target: target.image(to),
    concurrency: loaded.rule.concurrency,
    slots,
    ledger,
    ...(bandwidth && { bandwidth }),
    ...watch,
  };
}

/** An image, and the children of an index: each may be signed. */
async function partsOf({ source, signal }: CopySettings, digest: Digest): Promise<Digest[]> {
  const { content } = await source.manifest(digest, signal);
  return [digest, ...content.children.map((child) => child.digest)];
}

function isWanted({ loaded }: RuleContext, { content }: ManifestBytes): boolean {
  const { artifactTypes } = loaded.rule;
  const type = (content.artifactType ?? content.mediaType).toLowerCase();
  return artifactTypes.length === 0 || artifactTypes.some((matches) => matches(type));
}

function versionOf(tag: ListedTag & { readonly digest: Digest }): Record<string, string> {
  const stand = standOf(tag);
  return stand === undefined ? {} : versionHeaders(stand);
}
