import { createHash } from 'node:crypto';
import { algorithmOf, type Digest, digestOf, isDigest } from '../../domain/oci/digest.ts';
import { InvalidManifest, type Manifest, readManifest } from '../../domain/oci/manifest.ts';
import { manifestMediaTypes } from '../../domain/oci/media-types.ts';
import { isRepositoryName, isTag } from '../../domain/oci/reference.ts';
import { TransferError } from '../errors.ts';
import { discard } from '../http/wire.ts';
import { printable } from './answer-fault.ts';
import type { RegistryClient } from './client.ts';
import { deleteScope, pullScope, pushScope } from './scope.ts';

/** A manifest as it came: exact bytes, and what they say. */
export interface ManifestBytes {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly content: Manifest;
}

export interface ManifestHead {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
}

/** Registries accept 4 MiB and somewhat more (OCI distribution-spec §"Pushing Manifests"). */
export const maxManifestBytes = 16 * 1_048_576;
const accept = { accept: manifestMediaTypes.join(', ') };

/** Hashes and reads manifest bytes. @throws TransferError `Corrupt` when they are not `expected`, `Invalid` when malformed */
export function manifestFrom(
  bytes: Buffer,
  mediaType: string | undefined,
  where: string,
  expected?: Digest,
): ManifestBytes {
  const algorithm = expected === undefined ? 'sha256' : algorithmOf(expected);
  const digest = digestOf(algorithm, createHash(algorithm).update(bytes).digest('hex'));
  if (expected !== undefined && digest !== expected) {
    throw new TransferError('Corrupt', `${where}: the manifest ${expected} is damaged: its bytes hash to ${digest}`);
  }
  try {
    const content = readManifest(bytes, mediaType);
    return { digest, mediaType: content.mediaType, bytes, content };
  } catch (error) {
    if (!(error instanceof InvalidManifest)) throw error;
    throw new TransferError('Invalid', `${where}: the manifest ${digest} cannot be read: ${printable(error.message)}`, {
      cause: error,
    });
  }
}

/** Reads a manifest by tag or digest, verified. @throws TransferError `NotFound` */
export async function getManifest(
  client: RegistryClient,
  repository: string,
  reference: string,
  signal: AbortSignal,
): Promise<ManifestBytes> {
  const request = {
    method: 'GET',
    path: manifestPath(repository, reference),
    scopes: [pullScope(repository)],
    what: `read the manifest ${nameOf(repository, reference)}`,
    accept: [200],
    headers: accept,
    signal,
  } as const;
  const answer = await client.read(request, maxManifestBytes);
  const claimed = answer.headers['docker-content-digest'];
  const expected = isDigest(reference)
    ? reference
    : typeof claimed === 'string' && isDigest(claimed)
      ? claimed
      : undefined;
  return manifestFrom(
    answer.bytes,
    mediaTypeOf(answer.headers['content-type']),
    `${client.host}/${repository}`,
    expected,
  );
}

/** What a tag or digest stands for, or undefined where there is nothing. */
export async function headManifest(
  client: RegistryClient,
  repository: string,
  reference: string,
  signal: AbortSignal,
): Promise<ManifestHead | undefined> {
  const answer = await client.request({
    method: 'HEAD',
    path: manifestPath(repository, reference),
    scopes: [pullScope(repository)],
    what: `look for the manifest ${nameOf(repository, reference)}`,
    accept: [200, 404],
    headers: accept,
    signal,
  });
  discard(answer);
  if (answer.status === 404) return undefined;
  const digest = answer.headers['docker-content-digest'];
  if (typeof digest !== 'string' || !isDigest(digest)) {
    // Some registries leave the digest out of HEAD: the bytes tell it.
    const manifest = await getManifest(client, repository, reference, signal);
    return { digest: manifest.digest, mediaType: manifest.mediaType, size: manifest.bytes.length };
  }
  return {
    digest,
    mediaType: mediaTypeOf(answer.headers['content-type']) ?? '',
    size: Number(answer.headers['content-length'] ?? 0),
  };
}

/** Writes a manifest under a tag or its digest. Answers whether the registry took note of its subject (`OCI-Subject`). */
export async function putManifest(
  client: RegistryClient,
  at: { repository: string; reference: string; headers?: Readonly<Record<string, string>> },
  manifest: ManifestBytes,
  signal: AbortSignal,
): Promise<{ subjectNoted: boolean }> {
  const { repository, reference, headers } = at;
  const answer = await client.request({
    method: 'PUT',
    path: manifestPath(repository, reference),
    scopes: [pushScope(repository)],
    what: `write the manifest ${nameOf(repository, reference)}`,
    accept: [200, 201, 202],
    headers: { ...headers, 'content-type': manifest.mediaType },
    body: manifest.bytes,
    signal,
  });
  discard(answer);
  const stored = answer.headers['docker-content-digest'];
  if (
    typeof stored === 'string' &&
    isDigest(stored) &&
    algorithmOf(stored) === algorithmOf(manifest.digest) &&
    stored !== manifest.digest
  ) {
    throw new TransferError(
      'Corrupt',
      `${client.host}: stored the manifest ${nameOf(repository, reference)} as ${stored}, not as ${manifest.digest}`,
    );
  }
  return { subjectNoted: answer.headers['oci-subject'] !== undefined };
}

/** Deletes a tag, or a manifest with its tags. @throws TransferError `NotFound`; `Refused` where the registry cannot */
export async function deleteManifest(
  client: RegistryClient,
  at: { repository: string; reference: string; headers?: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<void> {
  const { repository, reference, headers = {} } = at;
  const answer = await client.request({
    method: 'DELETE',
    path: manifestPath(repository, reference),
    scopes: [deleteScope(repository)],
    what: `delete ${nameOf(repository, reference)}`,
    accept: [200, 202, 204],
    headers,
    signal,
  });
  discard(answer);
}

function nameOf(repository: string, reference: string): string {
  return isDigest(reference) ? `${repository}@${reference}` : `${repository}:${reference}`;
}

function mediaTypeOf(header: string | undefined): string | undefined {
  const type = header?.split(';')[0]?.trim().toLowerCase();
  return type !== undefined && manifestMediaTypes.includes(type) ? type : undefined;
}

/** Names may come from another registry, and `..` in a path would lead to what nobody asked for. */
function manifestPath(repository: string, reference: string): string {
  if (isRepositoryName(repository) && (isTag(reference) || isDigest(reference)))
    return `/v2/${repository}/manifests/${reference}`;
  const name = printable(nameOf(repository, reference));
  throw new TransferError('Invalid', `${JSON.stringify(name)} is no name of an image; no registry was asked for it`);
}
