import { type Claims, claim, describeRule } from './claims.ts';
import { type Family, familyOf } from './family.ts';
import type { Image } from './image.ts';
import { matcherOf } from './pattern.ts';
import type { Policy, Protection } from './policy.ts';

export interface PlanInput {
  /** All images of one repository, each digest once. */
  readonly images: readonly Image[];
  readonly policy: Policy;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Digests in use (of an index, a manifest or a config) and by whom. */
  readonly pins?: ReadonlyMap<string, string>;
}

export interface Decision {
  readonly action: 'EXPIRE' | 'KEEP';
  /** `rulePriority` of the rule that the image falls under, null where none speaks of it. */
  readonly rulePriority: number | null;
  readonly reason: string;
  /** A rule would expire the image, but it is in use. */
  readonly blockedInUse: boolean;
}

export interface Plan {
  readonly expiring: number;
  readonly expiringBytes: number;
  readonly blockedInUse: number;
  /** Of the image at this position of the input. */
  decision(position: number): Decision;
}

/**
 * What a policy does with the images of a repository: expire or keep, by which rule, and why. Pure, and of the order of
 * n log n for n images, rules and tags aside.
 * @throws RangeError where a digest stands twice
 */
export function planRetention(input: PlanInput): Plan {
  const positions = new Map<string, number>();
  for (const [position, { digest }] of input.images.entries()) {
    if (positions.has(digest)) throw new RangeError(`the image ${digest} stands twice in the list`);
    positions.set(digest, position);
  }
  const family = familyOf(input.images, (digest) => positions.get(digest));
  const oldestFirst = sortByAge(input.images).filter((image) => !family.isDependent(image));
  const claims = claim({ images: input.images, tags: family.tags, oldestFirst }, input.policy, input.now);
  const fates = new Fates(input, { family, claims, oldestFirst });
  return fates.plan();
}

/** Of equal push times the digest that sorts first counts as older. Times are taken out first: a million objects are slow to visit. */
function sortByAge(images: readonly Image[]): Uint32Array {
  const times = Float64Array.from(images, ({ pushedAt }) => pushedAt);
  const digest = (position: number) => images[position]?.digest ?? '';
  const order = Uint32Array.from(images.keys());
  return order.sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0) || (digest(a) < digest(b) ? -1 : 1));
}

/** Why an image stays or goes. */
type Cause = 'rule' | 'in use' | 'protected' | 'kept with' | 'expired with';

interface Fate {
  readonly cause: Cause;
  /** The position of the image it goes or stays with. */
  readonly through?: number;
  readonly text?: string;
}

interface Parts {
  readonly family: Family;
  readonly claims: Claims;
  readonly oldestFirst: Uint32Array;
}

/** Spreads life from what stays to what belongs to it, and then death from what goes. */
class Fates {
  readonly #input: PlanInput;
  readonly #parts: Parts;
  /** 1 for an image that stays. */
  readonly #alive: Uint8Array;
  /** Position of the rule by which an image expires, -1 where it stays. */
  readonly #expiredBy: Int32Array;
  /** Only for images whose fate is not their own rule's. */
  readonly #fates = new Map<number, Fate>();

  constructor(input: PlanInput, parts: Parts) {
    this.#input = input;
    this.#parts = parts;
    this.#alive = new Uint8Array(input.images.length);
    this.#expiredBy = new Int32Array(input.images.length).fill(-1);
    this.#keepInUse();
    this.#keepProtected();
    this.#keepByRule();
    this.#keepUnrooted();
    this.#expire();
  }

  plan(): Plan {
    let [expiring, expiringBytes, blockedInUse] = [0, 0, 0];
    for (const [position, rule] of this.#expiredBy.entries()) {
      if (rule >= 0) {
        expiring++;
        expiringBytes += this.#input.images[position]?.size ?? 0;
      } else if (this.#isBlocked(position)) blockedInUse++;
    }
    return { expiring, expiringBytes, blockedInUse, decision: (position) => this.#decide(position) };
  }

  /** A pin of a child pins its index, and with it the other children. */
  #keepInUse(): void {
    const { pins } = this.#input;
    if (pins === undefined || pins.size === 0) return;
    const { parents } = this.#parts.family;
    for (const [position, { digest, config }] of this.#input.images.entries()) {
      const by = pins.get(digest) ?? (config === undefined ? undefined : pins.get(config));
      if (by === undefined) continue;
      const fate: Fate = { cause: 'in use', text: by };
      this.#keep(position, fate);
      for (const [above, through] of ancestors(position, parents)) this.#keep(above, { ...fate, through });
    }
  }

  #keepProtected(): void {
    const { policy, images, now } = this.#input;
    const { protect = {} } = policy;
    const { oldestFirst, family } = this.#parts;
    const newest = oldestFirst.subarray(Math.max(0, oldestFirst.length - (protect.newest ?? 0)));
    for (const position of newest)
      this.#keep(position, { cause: 'protected', text: `it is among the newest ${protect.newest}` });
    const protectedTag = tagProtection(protect);
    const { pulledWithin } = protect;
    if (protectedTag === undefined && pulledWithin === undefined) return;
    for (const [position, { pulledAt }] of images.entries()) {
      const tag = protectedTag && family.tags[position]?.find(protectedTag);
      if (tag !== undefined) this.#keep(position, { cause: 'protected', text: `of its tag ${tag}` });
      else if (pulledWithin !== undefined && pulledAt !== undefined && pulledAt >= now - pulledWithin)
        this.#keep(position, { cause: 'protected', text: 'it was pulled recently' });
    }
  }

  #keepByRule(): void {
    for (const position of this.#parts.oldestFirst)
      if (!this.#marked(position)) this.#keep(position, { cause: 'rule' });
  }

  /** Tags of the referrers' scheme can make images belong to each other in a circle: with no candidate above, nothing expires them. */
  #keepUnrooted(): void {
    const rooted = new Uint8Array(this.#alive.length);
    const pending = [...this.#parts.oldestFirst];
    for (let image = pending.pop(); image !== undefined; image = pending.pop()) {
      if (rooted[image] === 1) continue;
      rooted[image] = 1;
      pending.push(...this.#household(image));
    }
    for (const [position, seen] of rooted.entries()) if (seen === 0) this.#keep(position, { cause: 'rule' });
  }

  /** Its rule found the image past the count, and expires what is. */
  #marked(position: number): boolean {
    const { rule, past } = this.#parts.claims;
    return past[position] === 1 && this.#input.policy.rules[rule[position] ?? -1]?.action === 'expire';
  }

  /** What stays keeps its children and the referrers that have no life of their own. */
  #keep(position: number, fate: Fate): void {
    const pending: [number, Fate][] = [[position, fate]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const [image, why] = next;
      if (this.#alive[image] === 1) continue;
      this.#alive[image] = 1;
      if (why.cause !== 'rule') this.#fates.set(image, why);
      const cause = why.cause === 'in use' ? 'in use' : 'kept with';
      for (const member of this.#household(image)) pending.push([member, { ...why, cause, through: image }]);
    }
  }

  *#household(image: number): Iterable<number> {
    const { children, referrers, isDependent } = this.#parts.family;
    yield* children.get(image) ?? [];
    for (const referrer of referrers.get(image) ?? []) if (isDependent(referrer)) yield referrer;
  }

  /** Strongest rules first, so that what goes with two images names the stronger rule. */
  #expire(): void {
    const { oldestFirst, claims } = this.#parts;
    const dead = oldestFirst.filter((position) => this.#alive[position] === 0);
    const marked = this.#input.policy.rules.flatMap((_, rule) =>
      Array.from(dead.filter((position) => claims.rule[position] === rule)),
    );
    for (const position of marked) this.#expiredBy[position] = claims.rule[position] ?? -1;
    for (const position of marked) this.#expireDependents(position);
  }

  #expireDependents(root: number): void {
    const { children, referrers } = this.#parts.family;
    const pending = [root];
    for (let image = pending.pop(); image !== undefined; image = pending.pop()) {
      for (const dependent of [...(children.get(image) ?? []), ...(referrers.get(image) ?? [])]) {
        if (this.#alive[dependent] === 1 || this.#expiredBy[dependent] !== -1) continue;
        this.#expiredBy[dependent] = this.#expiredBy[root] ?? -1;
        this.#fates.set(dependent, { cause: 'expired with', through: image });
        pending.push(dependent);
      }
    }
  }

  #isBlocked(position: number): boolean {
    const inUse = this.#fates.get(position)?.cause === 'in use';
    return inUse && this.#marked(position);
  }

  #decide(position: number): Decision {
    const expiredBy = this.#expiredBy[position] ?? -1;
    const claimedBy = expiredBy >= 0 ? expiredBy : (this.#parts.claims.rule[position] ?? -1);
    return {
      action: expiredBy >= 0 ? 'EXPIRE' : 'KEEP',
      rulePriority: this.#input.policy.rules[claimedBy]?.priority ?? null,
      reason: this.#reason(position),
      blockedInUse: this.#isBlocked(position),
    };
  }

  #reason(position: number): string {
    const { cause, through, text = '' } = this.#fates.get(position) ?? { cause: 'rule' };
    const other = through === undefined ? '' : this.#input.images[through]?.digest;
    switch (cause) {
      case 'rule':
        return this.#ruleReason(position);
      case 'in use':
        return other === '' ? `in use: ${text}` : `in use with ${other}: ${text}`;
      case 'protected':
        return `protected, because ${text}`;
      case 'kept with':
        return `kept with ${other}`;
      case 'expired with':
        return `with ${other}`;
    }
  }

  #ruleReason(position: number): string {
    const { rule, past } = this.#parts.claims;
    const found = this.#input.policy.rules[rule[position] ?? -1];
    if (found === undefined) return 'no rule speaks of it';
    if (past[position] !== 1) return `rule ${found.priority} keeps it`;
    if (found.action === 'transition') return 'archive not available';
    return `rule ${found.priority}: it ${describeRule(found)}`;
  }
}

function tagProtection({ tags }: Protection): ((tag: string) => boolean) | undefined {
  if (tags === undefined || tags.length === 0) return undefined;
  const matchers = tags.map((pattern) => matcherOf(pattern, { single: true }));
  return (tag) => matchers.some((matches) => matches(tag));
}

/** Every index above an image, each with the image below it through which it was found. */
function ancestors(image: number, parents: Family['parents']): Map<number, number> {
  const found = new Map<number, number>();
  const pending = [image];
  for (let next = pending.pop(); next !== undefined; next = pending.pop())
    for (const parent of parents.get(next) ?? []) {
      if (parent === image || found.has(parent)) continue;
      found.set(parent, next);
      pending.push(parent);
    }
  return found;
}
