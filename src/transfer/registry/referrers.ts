import { createHash } from 'node:crypto';
import { type Digest, digestOf } from '../../domain/oci/digest.ts';
import { type Descriptor, readManifest } from '../../domain/oci/manifest.ts';
import { mediaTypes } from '../../domain/oci/media-types.ts';
import { isTransferError, TransferError } from '../errors.ts';
import { printable } from './answer-fault.ts';
import type { RegistryClient } from './client.ts';
import { listPages } from './listing.ts';
import { getManifest, type ManifestBytes, manifestFrom, putManifest } from './manifests.ts';
import { pullScope } from './scope.ts';

/** The most referrers of one subject that are followed. */
const maxReferrers = 100_000;

/**
 * The manifests whose subject is `digest`: by the referrers API, else by the fallback tag
 * (OCI distribution-spec v1.1 §"Listing Referrers", §"Unavailable Referrers API").
 */
export async function listReferrers(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  signal: AbortSignal,
): Promise<readonly Descriptor[]> {
  const request = {
    path: `/v2/${repository}/referrers/${digest}`,
    scopes: [pullScope(repository)],
    what: `list the referrers of ${repository}@${digest}`,
  };
  const found: Descriptor[] = [];
  try {
    for await (const page of listPages(client, request, signal)) {
      found.push(...descriptorsOf(page, client.host));
      if (found.length > maxReferrers) {
        throw new TransferError('Invalid', `${client.host}: more than ${maxReferrers} referrers of ${digest}`);
      }
    }
    return found;
  } catch (error) {
    if (!isTransferError(error) || ![400, 404, 405, 501].includes(error.status ?? 0)) throw error;
    return (await fallbackIndex(client, repository, digest, signal))?.content.children ?? [];
  }
}

/** One value for a set of referrers: two ends that list the same ones have the same, in whatever order. */
export function referrersDigest(referrers: readonly Descriptor[]): Digest {
  const digests = [...new Set(referrers.map(({ digest }) => digest))].sort();
  return digestOf('sha256', createHash('sha256').update(digests.join('\n')).digest('hex'));
}

/** The tag that stands in for the referrers API: `sha256-…`. */
export function fallbackTag(digest: Digest): string {
  return digest.replace(':', '-').slice(0, 128);
}

/** Whether a tag is one of that scheme. */
export function isFallbackTag(tag: string): boolean {
  return /^sha(256-[a-f0-9]{64}|512-[a-f0-9]{121})$/.test(tag);
}

/** Adds a referrer to the fallback index of its subject, which is the pusher's duty where the registry took no note of it. */
export async function noteReferrer(
  client: RegistryClient,
  repository: string,
  referrer: ManifestBytes,
  signal: AbortSignal,
): Promise<void> {
  const subject = referrer.content.subject;
  if (subject === undefined) return;
  const known = (await fallbackIndex(client, repository, subject.digest, signal))?.content.children ?? [];
  if (known.some((entry) => entry.digest === referrer.digest)) return;
  const entry: Descriptor = {
    mediaType: referrer.mediaType,
    digest: referrer.digest,
    size: referrer.bytes.length,
    ...(referrer.content.artifactType === undefined ? {} : { artifactType: referrer.content.artifactType }),
    ...(referrer.content.annotations === undefined ? {} : { annotations: referrer.content.annotations }),
  };
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [...known, entry] };
  const manifest = manifestFrom(Buffer.from(JSON.stringify(index)), mediaTypes.ociIndex, client.host);
  await putManifest(client, { repository, reference: fallbackTag(subject.digest) }, manifest, signal);
}

async function fallbackIndex(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  signal: AbortSignal,
): Promise<ManifestBytes | undefined> {
  try {
    return await getManifest(client, repository, fallbackTag(digest), signal);
  } catch (error) {
    if (isTransferError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function descriptorsOf(page: Record<string, unknown>, host: string): readonly Descriptor[] {
  try {
    const index = { ...page, schemaVersion: 2, mediaType: mediaTypes.ociIndex };
    return readManifest(Buffer.from(JSON.stringify(index)), mediaTypes.ociIndex).children;
  } catch (error) {
    throw new TransferError(
      'Invalid',
      `${host}: answered no valid list of referrers: ${printable((error as Error).message)}`,
    );
  }
}
