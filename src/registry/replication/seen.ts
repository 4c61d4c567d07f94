import type { Digest } from '../../domain/oci/digest.ts';
import type { ReplicationRule } from '../../domain/replication/rule.ts';
import type { ListedTag, Listing } from './side.ts';

/** For how long what a comparison saw of a tag is as good as another look, milliseconds: about as long as copying an image takes. */
const lifetime = 10_000;

/** One tag as a comparison saw it at both ends. */
export interface Seen {
  readonly source: Look;
  readonly target: Look;
  /** The target, one of this project's registries (they keep bytes for a while), has the source's image under whatever tag. */
  readonly holds: boolean;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface Look extends Pick<Listing, 'identity' | 'flows'> {
  readonly tag: ListedTag | undefined;
}

/** Takes single tags out of two lists. @param now milliseconds since the epoch */
export function looksAt(source: Listing, target: Listing, now: number): (tag: string) => Seen {
  let held: ReadonlySet<Digest> | undefined;
  return (name) => {
    held ??= digestsIn(target);
    const tag = source.tags.get(name);
    const holds = target.identity !== undefined && tag?.digest !== undefined && held.has(tag.digest);
    return { source: lookAt(source, name), target: lookAt(target, name), holds, at: now };
  };
}

export function lookAt({ tags, identity, flows }: Listing, name: string): Look {
  return { tag: tags.get(name), identity, ...(flows && { flows }) };
}

/** The same, unless too much may have happened since. */
export function stillGood(seen: Seen | undefined, now: number): Seen | undefined {
  return seen !== undefined && now - seen.at < lifetime && now >= seen.at ? seen : undefined;
}

/** A list of names alone says what is not there, and not what the rest points at. */
export function told(look: Look | undefined): Look | undefined {
  return look?.tag !== undefined && look.tag.digest === undefined ? undefined : look;
}

/**
 * What is known of the target, where it may be acted on without another look: a rule that keeps what others wrote there has to know
 * of what they wrote a moment ago, and the versions of tags say nothing of who wins then.
 */
export function stands(look: Look | undefined, onConflict: ReplicationRule['onConflict']): Look | undefined {
  return onConflict === 'Override' ? told(look) : undefined;
}

function digestsIn({ tags }: Listing): ReadonlySet<Digest> {
  const digests = new Set<Digest>();
  for (const { digest, deleted } of tags.values())
    if (digest !== undefined && deleted === undefined) digests.add(digest);
  return digests;
}
