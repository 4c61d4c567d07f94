import type { Image } from './image.ts';
import { matcherOf } from './pattern.ts';
import type { Count, Policy, Rule, TagRequirement } from './policy.ts';

const day = 86_400_000;

/** What the rules say of each candidate, before anything keeps it. */
export interface Claims {
  /** Position in `policy.rules` of the rule that claimed the image, -1 where none did. */
  readonly rule: Int32Array;
  /** 1 where that rule found the image past its count. */
  readonly past: Uint8Array;
}

export interface Candidates {
  readonly images: readonly Image[];
  /** Tags that count, for each image. */
  readonly tags: readonly (readonly string[])[];
  /** Positions of the images that rules may speak of, oldest first. */
  readonly oldestFirst: Uint32Array;
}

/**
 * Every rule selects over the whole repository (E1), and the strongest whose tag requirement an image meets claims it, whether
 * it then keeps or expires it (E2, E3); a claimed image still has its place in the rankings of weaker rules (E4).
 */
export function claim({ images, tags, oldestFirst }: Candidates, { rules }: Policy, now: number): Claims {
  const rule = new Int32Array(images.length).fill(-1);
  const past = new Uint8Array(images.length);
  for (const [index, { tags: requirement, count, storageClass }] of rules.entries()) {
    // Every image here is in standard storage.
    if (storageClass === 'archive') continue;
    const meets = meeting(requirement);
    const selected = oldestFirst.filter((image) => meets(tags[image] ?? []));
    const isPast = pastCount(count, { images, selected: selected.length, now });
    for (const [place, image] of selected.entries()) {
      if (rule[image] !== -1) continue;
      rule[image] = index;
      past[image] = isPast(image, place) ? 1 : 0;
    }
  }
  return { rule, past };
}

/** Every pattern of a list must be matched by some tag, each by a different one or the same (E5). */
function meeting(requirement: TagRequirement): (tags: readonly string[]) => boolean {
  if (requirement.tagStatus === 'any') return () => true;
  if (requirement.tagStatus === 'untagged') return (tags) => tags.length === 0;
  const matchers = requirement.patterns.map((pattern) => matcherOf(pattern));
  return (tags) => matchers.every((matches) => tags.some(matches));
}

/** `place` counts from the oldest (E6). An image that was never pulled counts from its push (E7). */
function pastCount(
  { type, number }: Count,
  { images, selected, now }: { images: readonly Image[]; selected: number; now: number },
): (image: number, place: number) => boolean {
  if (type === 'imageCountMoreThan') return (_image, place) => place < selected - number;
  const since = now - number * day;
  return (position) => {
    const image = images[position];
    if (image === undefined) return false;
    return (type === 'sinceImagePulled' ? (image.pulledAt ?? image.pushedAt) : image.pushedAt) < since;
  };
}

/** What a rule says, for people. */
export function describeRule({ count, action }: Pick<Rule, 'count' | 'action'>): string {
  const { type, number } = count;
  const what = {
    imageCountMoreThan: `is not among the newest ${number}`,
    sinceImagePushed: `was pushed more than ${number} days ago`,
    sinceImagePulled: `was not pulled for more than ${number} days`,
    sinceImageTransitioned: `has been in the archive for more than ${number} days`,
  }[type];
  return action === 'transition' ? `${what}, but archive not available` : what;
}
