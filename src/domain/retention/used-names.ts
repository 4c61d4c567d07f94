import { type Digest, isDigest } from '../oci/digest.ts';
import { isRepositoryName, isTag, looksLikeHost } from '../oci/reference.ts';
import type { Inventory, UsedImage } from './inventory.ts';

/** What a reported image stands for, whatever host it came from. */
export interface UsedNames {
  readonly digests: readonly Digest[];
  /** Without a leading `library/`, which clients add and leave out as they like. */
  readonly path?: string;
  readonly tag?: string;
}

/**
 * What an image of a report names. What follows no grammar names nothing: nobody can have pulled it. A tag counts beside a
 * digest too, because some write down together what they asked for and what they got.
 */
export function usedNames({ image, digests }: UsedImage): UsedNames {
  // `docker-pullable://`, `containerd://`: what some runtimes put before the name.
  const text = image.slice(image.indexOf('://') < 0 ? 0 : image.indexOf('://') + 3);
  if (isDigest(text)) return { digests: [...digests, text] };
  const at = text.indexOf('@');
  const written = at < 0 ? undefined : text.slice(at + 1);
  const known = written !== undefined && isDigest(written) ? [...digests, written] : digests;
  const { path, tag } = splitName(at < 0 ? text : text.slice(0, at));
  if (!isRepositoryName(path)) return { digests: known };
  if (tag !== undefined) return isTag(tag) ? { digests: known, path, tag } : { digests: known };
  return at < 0 ? { digests: known, path, tag: 'latest' } : { digests: known };
}

/** A repository's name as tags of reports are compared: `library/nginx` and `nginx` are the same. */
export function comparablePath(repository: string): string {
  return repository.startsWith('library/') ? repository.slice('library/'.length) : repository;
}

/**
 * Every name in a report, each once and sorted: digests, and `path:tag` with the path of `comparablePath`. Two reports that
 * name the same keep the same images.
 */
export function namesOf({ images }: Inventory): string[] {
  const names = new Set<string>();
  for (const image of images) {
    const { digests, path, tag } = usedNames(image);
    for (const digest of digests) names.add(digest);
    if (path !== undefined) names.add(`${path}:${tag}`);
  }
  return [...names].sort();
}

/** A name of `namesOf` again: a digest, of whatever repository; or a tag, and the repositories that it may be of. */
export function readName(
  name: string,
): { readonly digest: Digest } | { readonly tag: string; readonly repositories: readonly string[] } {
  if (isDigest(name)) return { digest: name };
  const colon = name.lastIndexOf(':');
  const path = name.slice(0, colon);
  return { tag: name.slice(colon + 1), repositories: [path, `library/${path}`] };
}

function splitName(name: string): { path: string; tag?: string } {
  const slash = name.indexOf('/');
  const hasHost = slash > 0 && looksLikeHost(name.slice(0, slash).toLowerCase());
  const rest = hasHost ? name.slice(slash + 1) : name;
  const colon = rest.lastIndexOf(':');
  if (colon < 0 || colon < rest.lastIndexOf('/')) return { path: comparablePath(rest) };
  return { path: comparablePath(rest.slice(0, colon)), tag: rest.slice(colon + 1) };
}
