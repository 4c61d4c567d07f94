/** Paths of the OCI distribution API (distribution-spec v1.1 §Endpoints) and what each names. Pure. */
import { Refusal } from '../../domain/errors.ts';
import { type Digest, isDigest, isMeantAsDigest } from '../../domain/oci/digest.ts';
import { isRepositoryName, isTag } from '../../domain/oci/reference.ts';
import type { Reference } from '../metadata/store.ts';

export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: Reference }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: Digest }
  | { readonly kind: 'uploads'; readonly repository: string }
  | { readonly kind: 'upload'; readonly repository: string; readonly id: string }
  | { readonly kind: 'referrers'; readonly repository: string; readonly digest: Digest };

export type RouteKind = Route['kind'];

const uploadId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Reads a path from its right end, because every word of the API may also be a segment of a repository's name.
 * @param path the raw path of the request, without its query
 * @returns undefined where the path is not one of this API
 * @throws Refusal NAME_INVALID, DIGEST_INVALID or MANIFEST_INVALID where it is, but a part breaks its grammar
 */
export function parseRoute(path: string): Route | undefined {
  if (path === '/v2/' || path === '/v2') return { kind: 'base' };
  if (path === '/v2/_catalog') return { kind: 'catalog' };
  if (!path.startsWith('/v2/')) return undefined;
  const last = path.lastIndexOf('/');
  const before = path.lastIndexOf('/', last - 1);
  if (before < 0) return undefined;
  return routeFor(path, path.slice(before + 1, last), { before, last });
}

function routeFor(path: string, word: string, at: { before: number; last: number }): Route | undefined {
  const tail = path.slice(at.last + 1);
  switch (word) {
    case 'manifests':
      return { kind: 'manifest', repository: repositoryIn(path, at.before), reference: referenceIn(tail) };
    case 'referrers':
      return { kind: 'referrers', repository: repositoryIn(path, at.before), digest: digestIn(tail) };
    case 'tags':
      return tail === 'list' ? { kind: 'tags', repository: repositoryIn(path, at.before) } : undefined;
    case 'blobs':
      if (tail === 'uploads') return { kind: 'uploads', repository: repositoryIn(path, at.before) };
      return { kind: 'blob', repository: repositoryIn(path, at.before), digest: digestIn(tail) };
    case 'uploads':
      return uploadRoute(path, tail, at.before);
    default:
      return undefined;
  }
}

function uploadRoute(path: string, id: string, beforeUploads: number): Route | undefined {
  const blobs = path.lastIndexOf('/', beforeUploads - 1);
  if (blobs < 0 || path.slice(blobs + 1, beforeUploads) !== 'blobs') return undefined;
  const repository = repositoryIn(path, blobs);
  if (id === '') return { kind: 'uploads', repository };
  if (!uploadId.test(id)) {
    throw new Refusal('BLOB_UPLOAD_UNKNOWN', 'there is no such upload: begin one with POST …/blobs/uploads/');
  }
  return { kind: 'upload', repository, id };
}

/** Never decoded: no character of a repository's name needs an escape, and an escaped slash would be a second reading. */
function repositoryIn(path: string, end: number): string {
  const name = path.slice('/v2/'.length, end);
  if (!isRepositoryName(name)) {
    throw new Refusal(
      'NAME_INVALID',
      'a repository name has lower-case letters, digits and single separators (. _ __ -) in segments divided by /, at most 255 characters',
    );
  }
  return name;
}

function referenceIn(tail: string): Reference {
  const text = decodeOnce(tail);
  if (isDigest(text)) return { digest: text };
  if (isMeantAsDigest(text)) throw malformedDigest();
  if (isTag(text)) return { tag: text };
  throw new Refusal(
    'MANIFEST_INVALID',
    'a tag has at most 128 letters, digits, dots, dashes and underscores, and begins with neither a dot nor a dash',
  );
}

function digestIn(tail: string): Digest {
  const text = decodeOnce(tail);
  if (isDigest(text)) return text;
  throw malformedDigest();
}

function malformedDigest(): Refusal {
  return new Refusal(
    'DIGEST_INVALID',
    'a digest is sha256: with 64 or sha512: with 128 lower-case hex digits; the one in the path is not',
  );
}

/** Some clients escape the colon of a digest. Decoded once; what is still escaped then fails the grammar. */
function decodeOnce(tail: string): string {
  if (!tail.includes('%')) return tail;
  try {
    return decodeURIComponent(tail);
  } catch {
    return tail;
  }
}
