import type { Digest } from '../../domain/oci/digest.ts';
import { subjectOfTag } from '../../domain/retention/image.ts';

/** What an image with these tags refers to by the referrers' tag scheme (`sha256-<hex>.sig`). */
export function subjectsByTag(tags: readonly string[]): Digest[] {
  return tags.flatMap((tag) => (subjectOfTag(tag) as Digest | undefined) ?? []);
}

/** Tags by which others refer to an image. */
export function tagsOfReferrers(digest: Digest): string[] {
  return ['sig', 'att', 'sbom'].map((kind) => `${digest.replace(':', '-')}.${kind}`);
}
