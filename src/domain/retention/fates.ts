import type { Claims } from './claims.ts';
import type { Family } from './family.ts';
import { type Matcher, matcherOf } from './pattern.ts';
import type { Policy, Protection } from './policy.ts';
import type { ImageTable } from './table.ts';

/** Why an image stays or goes. */
export type Cause = 'rule' | 'in use' | 'protected' | 'kept with' | 'expired with';
const causes: readonly Cause[] = ['rule', 'in use', 'protected', 'kept with', 'expired with'];

export interface Fate {
  readonly cause: Cause;
  /** The position of the image it goes or stays with. */
  readonly through?: number;
  readonly text?: string;
}

export interface Judged {
  readonly table: ImageTable;
  readonly policy: Policy;
  readonly now: number;
  readonly family: Family;
  readonly claims: Claims;
  /** Positions of the images that rules may speak of, oldest first. */
  readonly oldestFirst: Uint32Array;
}

/** Spreads life from what stays to what belongs to it, and then death from what goes. */
export class Fates {
  readonly #judged: Judged;
  /** 1 for a rule that expires what is past its count. */
  readonly #expiring: Uint8Array;
  /** 1 for an image that stays. */
  readonly #alive: Uint8Array;
  /** Position of the rule by which an image expires, -1 where it stays. */
  readonly expiredBy: Int32Array;
  /** Position in `causes`, for each image. */
  readonly #causes: Uint8Array;
  /** Position of the image that it goes or stays with, and one; 0 for none. */
  readonly #through: Uint32Array;
  /** Position in `#texts`. */
  readonly #textOf: Uint32Array;
  readonly #texts: string[] = [''];
  readonly #knownTexts = new Map<string, number>([['', 0]]);

  constructor(judged: Judged) {
    this.#judged = judged;
    const { length } = judged.table;
    this.#expiring = Uint8Array.from(judged.policy.rules, ({ action }) => Number(action === 'expire'));
    this.#alive = new Uint8Array(length);
    this.expiredBy = new Int32Array(length).fill(-1);
    this.#causes = new Uint8Array(length);
    this.#through = new Uint32Array(length);
    this.#textOf = new Uint32Array(length);
    this.#keepInUse();
    this.#keepNewest();
    this.#keepProtected();
    this.#keepByRule();
    this.#keepUnrooted();
    this.#expire();
  }

  of(image: number): Fate {
    const through = this.#through[image] ?? 0;
    return {
      cause: causes[this.#causes[image] ?? 0] ?? 'rule',
      ...(through > 0 && { through: through - 1 }),
      text: this.#texts[this.#textOf[image] ?? 0] ?? '',
    };
  }

  /** Nothing but a rule decided on it. */
  isByRule(image: number): boolean {
    return this.#causes[image] === causes.indexOf('rule');
  }

  /** Its rule found the image past the count, and expires what is. */
  isMarked(image: number): boolean {
    const { past, rule } = this.#judged.claims;
    return past[image] === 1 && this.#expiring[rule[image] ?? 0] === 1;
  }

  /** A rule would expire the image, but it is in use. */
  isBlocked(image: number): boolean {
    return this.#causes[image] === causes.indexOf('in use') && this.isMarked(image);
  }

  /** A pin of a child pins its index, and with it the other children. */
  #keepInUse(): void {
    for (const [image, by] of this.#judged.table.used) {
      const fate: Fate = { cause: 'in use', text: by };
      this.#keep(image, fate);
      for (const [above, through] of this.#ancestors(image)) this.#keep(above, { ...fate, through });
    }
  }

  #keepNewest(): void {
    const { oldestFirst, policy } = this.#judged;
    const { newest = 0 } = policy.protect ?? {};
    const fate: Fate = { cause: 'protected', text: `it is among the newest ${newest}` };
    for (const image of oldestFirst.subarray(Math.max(0, oldestFirst.length - newest))) this.#keep(image, fate);
  }

  #keepProtected(): void {
    const { table, policy, now } = this.#judged;
    const { pulledWithin, ...protect } = policy.protect ?? {};
    const matches = tagProtection(protect);
    const since = pulledWithin === undefined ? Number.POSITIVE_INFINITY : now - pulledWithin;
    if (matches === undefined && pulledWithin === undefined) return;
    for (let image = 0; image < table.length; image++) {
      const tag = matches && table.tags.find(image, matches);
      if (tag !== undefined) this.#keep(image, { cause: 'protected', text: `of its tag ${tag}` });
      else if ((table.pulledAt(image) ?? Number.NEGATIVE_INFINITY) >= since)
        this.#keep(image, { cause: 'protected', text: 'it was pulled recently' });
    }
  }

  #keepByRule(): void {
    const fate: Fate = { cause: 'rule' };
    for (const image of this.#judged.oldestFirst) if (!this.isMarked(image)) this.#keep(image, fate);
  }

  /** Tags of the referrers' scheme can make images belong to each other in a circle: with no candidate above, nothing expires them. */
  #keepUnrooted(): void {
    const { oldestFirst, table } = this.#judged;
    if (oldestFirst.length === table.length) return;
    const rooted = new Uint8Array(table.length);
    for (const image of oldestFirst) {
      const pending = [image];
      for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
        if (rooted[next] === 1) continue;
        rooted[next] = 1;
        this.#pushHousehold(next, pending);
      }
    }
    for (const [image, seen] of rooted.entries()) if (seen === 0) this.#keep(image, { cause: 'rule' });
  }

  /** What stays keeps its children and the referrers that have no life of their own. */
  #keep(position: number, fate: Fate): void {
    if (this.#alive[position] === 1) return;
    this.#alive[position] = 1;
    if (fate.cause !== 'rule') this.#note(position, fate);
    if (!this.#hasHousehold(position)) return;
    const cause = fate.cause === 'in use' ? 'in use' : 'kept with';
    const pending: number[] = [position];
    for (let image = pending.pop(); image !== undefined; image = pending.pop()) {
      const household: number[] = [];
      this.#pushHousehold(image, household);
      for (const member of household) {
        if (this.#alive[member] === 1) continue;
        this.#alive[member] = 1;
        this.#note(member, { ...fate, cause, through: image });
        pending.push(member);
      }
    }
  }

  #note(image: number, { cause, through, text = '' }: Fate): void {
    let known = this.#knownTexts.get(text);
    if (known === undefined) {
      known = this.#texts.push(text) - 1;
      this.#knownTexts.set(text, known);
    }
    this.#causes[image] = causes.indexOf(cause);
    this.#through[image] = through === undefined ? 0 : through + 1;
    this.#textOf[image] = known;
  }

  #hasHousehold(image: number): boolean {
    const { children, referrers } = this.#judged.family;
    return children.has(image) || referrers.has(image);
  }

  #pushHousehold(image: number, onto: number[]): void {
    const { children, referrers, isDependent } = this.#judged.family;
    for (const child of children.of(image)) onto.push(child);
    for (const referrer of referrers.of(image)) if (isDependent(referrer)) onto.push(referrer);
  }

  /** Every index above an image, each with the image below it through which it was found. */
  #ancestors(image: number): Map<number, number> {
    const { parents } = this.#judged.family;
    const found = new Map<number, number>();
    if (!parents.has(image)) return found;
    const pending = [image];
    for (let next = pending.pop(); next !== undefined; next = pending.pop())
      for (const parent of parents.of(next)) {
        if (parent === image || found.has(parent)) continue;
        found.set(parent, next);
        pending.push(parent);
      }
    return found;
  }

  /** Strongest rules first, so that what goes with two images names the stronger rule. */
  #expire(): void {
    const { oldestFirst, claims, policy, family } = this.#judged;
    const marked = oldestFirst.filter((image) => this.#alive[image] === 0);
    for (const image of marked) this.expiredBy[image] = claims.rule[image] ?? -1;
    if (family.children.isEmpty && family.referrers.isEmpty) return;
    for (const rule of policy.rules.keys())
      for (const image of marked) if (claims.rule[image] === rule) this.#expireDependents(image);
  }

  #expireDependents(root: number): void {
    const { children, referrers } = this.#judged.family;
    if (!this.#hasHousehold(root)) return;
    const pending = [root];
    for (let image = pending.pop(); image !== undefined; image = pending.pop())
      for (const relation of [children, referrers])
        for (const dependent of relation.of(image)) {
          if (this.#alive[dependent] === 1 || this.expiredBy[dependent] !== -1) continue;
          this.expiredBy[dependent] = this.expiredBy[root] ?? -1;
          this.#note(dependent, { cause: 'expired with', through: image });
          pending.push(dependent);
        }
  }
}

function tagProtection({ tags }: Protection): Matcher | undefined {
  if (tags === undefined || tags.length === 0) return undefined;
  const matchers = tags.map((pattern) => matcherOf(pattern, { single: true }));
  return (bytes, start, end) => matchers.some((matches) => matches(bytes, start, end));
}
