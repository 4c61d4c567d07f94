import { matcherOf } from './pattern.ts';
import type { Count, Policy, Rule, TagRequirement } from './policy.ts';
import type { ImageTable } from './table.ts';

const day = 86_400_000;

/** What the rules say of each candidate, before anything keeps it. */
export interface Claims {
  /** Position in `policy.rules` of the rule that claimed the image, -1 where none did. */
  readonly rule: Int32Array;
  /** 1 where that rule found the image past its count. */
  readonly past: Uint8Array;
}

export interface Candidates {
  readonly table: ImageTable;
  /** Positions of the images that rules may speak of, oldest first. */
  readonly oldestFirst: Uint32Array;
}

/**
 * Every rule selects over the whole repository (E1), and the strongest whose tag requirement an image meets claims it, whether
 * it then keeps or expires it (E2, E3); a claimed image still has its place in the rankings of weaker rules (E4).
 */
export function claim({ table, oldestFirst }: Candidates, { rules }: Policy, now: number): Claims {
  const claims = { rule: new Int32Array(table.length).fill(-1), past: new Uint8Array(table.length) };
  const selected = new Uint8Array(table.length);
  for (const [index, rule] of rules.entries()) {
    // Every image here is in standard storage.
    if (rule.storageClass === 'archive') continue;
    select(rule, { table, selected, claimed: claims.rule });
    claimSelected({ index, selected, isPast: pastCount(rule.count, table, now) }, oldestFirst, claims);
  }
  return claims;
}

interface Selecting {
  readonly table: ImageTable;
  /** Is written: 1 for an image that meets the rule's tag requirement. */
  readonly selected: Uint8Array;
  readonly claimed: Int32Array;
}

/** In the order in which tags lie in memory. Where a rule counts images, those count that another has claimed; ages need them not. */
function select({ tags, count }: Rule, { table, selected, claimed }: Selecting): void {
  const meets = meeting(tags, table);
  const ranks = count.type === 'imageCountMoreThan';
  for (let image = 0; image < selected.length; image++)
    selected[image] = (ranks || claimed[image] === -1) && meets(image) ? 1 : 0;
}

interface Claimant {
  readonly index: number;
  readonly selected: Uint8Array;
  /** `newer` is how many newer images the rule selects. */
  isPast(image: number, newer: number): boolean;
}

function claimSelected({ index, selected, isPast }: Claimant, oldestFirst: Uint32Array, { rule, past }: Claims): void {
  let newer = 0;
  for (let at = oldestFirst.length - 1; at >= 0; at--) {
    const image = oldestFirst[at] ?? 0;
    if (selected[image] === 0) continue;
    if (rule[image] === -1) {
      rule[image] = index;
      past[image] = isPast(image, newer) ? 1 : 0;
    }
    newer++;
  }
}

/** Every pattern of a list must be matched by some tag, each by a different one or the same (E5). */
function meeting(requirement: TagRequirement, { tags }: ImageTable): (image: number) => boolean {
  if (requirement.tagStatus === 'any') return () => true;
  if (requirement.tagStatus === 'untagged') return (image) => !tags.has(image);
  const matchers = requirement.patterns.map((pattern) => matcherOf(pattern));
  return (image) => {
    for (const matches of matchers) if (!tags.some(image, matches)) return false;
    return true;
  };
}

/** Ranks by push, the newest first (E6). An image that was never pulled counts from its push (E7). */
function pastCount({ type, number }: Count, table: ImageTable, now: number): Claimant['isPast'] {
  if (type === 'imageCountMoreThan') return (_image, newer) => newer >= number;
  const since = now - number * day;
  if (type === 'sinceImagePulled') return (image) => (table.pulledAt(image) ?? table.pushedAt(image)) < since;
  return (image) => table.pushedAt(image) < since;
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
