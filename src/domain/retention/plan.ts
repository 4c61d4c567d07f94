import { oldestFirst } from './age.ts';
import { claim, describeRule } from './claims.ts';
import { familyOf } from './family.ts';
import { Fates, type Judged } from './fates.ts';
import type { Image } from './image.ts';
import type { RepositoryUse } from './in-use.ts';
import type { Policy } from './policy.ts';
import { ImageTable } from './table.ts';

export interface PlanInput {
  /** All images of one repository, each digest once. */
  readonly images: Iterable<Image>;
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
  expires(position: number): boolean;
  /** Of the image at this position. */
  decision(position: number): Decision;
}

/**
 * What a policy does with the images of a repository: expire or keep, by which rule, and why. Pure, and of the order of
 * n log n for n images, rules and tags aside.
 * @throws RangeError where a digest stands twice
 */
export function planRetention({ images, pins, ...when }: PlanInput): Plan {
  const table = new ImageTable(pins && { use: useOf(pins) });
  for (const image of images) table.add(image);
  return planTable(table, when);
}

/** Digests that are in use, without the clusters that use them. */
export function useOf(pins: ReadonlyMap<string, string>): RepositoryUse {
  return { usedBy: ({ digest, config }) => pins.get(digest) ?? (config === undefined ? undefined : pins.get(config)) };
}

/** The same of a table, to which nothing is added from then on. */
export function planTable(table: ImageTable, { policy, now }: Pick<PlanInput, 'policy' | 'now'>): Plan {
  const family = familyOf(table);
  const candidates = oldestFirst(table, family.isDependent);
  const claims = claim({ table, oldestFirst: candidates }, policy, now);
  const judged = { table, policy, now, family, claims, oldestFirst: candidates };
  return planOf(judged, new Fates(judged));
}

function planOf(judged: Judged, fates: Fates): Plan {
  const { table } = judged;
  const { expiredBy } = fates;
  let [expiring, expiringBytes, blockedInUse] = [0, 0, 0];
  for (let image = 0; image < table.length; image++) {
    if ((expiredBy[image] ?? -1) >= 0) {
      expiring++;
      expiringBytes += table.size(image);
    } else if (fates.isBlocked(image)) blockedInUse++;
  }
  const expires = (image: number) => (expiredBy[image] ?? -1) >= 0;
  return { expiring, expiringBytes, blockedInUse, expires, decision: decider(judged, fates) };
}

/** What a rule says of an image is said of a great many: the same decision for all of them. */
function decider(judged: Judged, fates: Fates): (image: number) => Decision {
  const { table, policy, claims } = judged;
  const sayRule = rulesInWords(judged);
  const otherOf = (through: number | undefined) => (through === undefined ? '' : table.digest(through));
  const reason = (image: number): string => {
    const { cause, through, text } = fates.of(image);
    const other = otherOf(through);
    switch (cause) {
      case 'rule':
        return sayRule(image);
      case 'in use':
        return other === '' ? `in use: ${text}` : `in use with ${other}: ${text}`;
      case 'protected':
        return `protected, because ${text}`;
      case 'kept with':
        return `kept with ${other}`;
      case 'expired with':
        return `with ${other}`;
    }
  };
  const decide = (image: number): Decision => {
    const expiredBy = fates.expiredBy[image] ?? -1;
    const claimedBy = expiredBy >= 0 ? expiredBy : (claims.rule[image] ?? -1);
    return {
      action: expiredBy >= 0 ? 'EXPIRE' : 'KEEP',
      rulePriority: policy.rules[claimedBy]?.priority ?? null,
      reason: reason(image),
      blockedInUse: fates.isBlocked(image),
    };
  };
  const outcomes: (Decision | undefined)[] = [];
  return (image) => {
    if (!fates.isByRule(image)) return decide(image);
    const expires = Number((fates.expiredBy[image] ?? -1) >= 0);
    const outcome = 4 * ((claims.rule[image] ?? -1) + 1) + 2 * (claims.past[image] ?? 0) + expires;
    outcomes[outcome] ??= decide(image);
    return outcomes[outcome];
  };
}

/** Each sentence is made once, and not for every image. */
function rulesInWords({ policy, claims: { rule, past } }: Judged): (image: number) => string {
  const words = policy.rules.map((found) => ({
    keeps: `rule ${found.priority} keeps it`,
    past: found.action === 'transition' ? 'archive not available' : `rule ${found.priority}: it ${describeRule(found)}`,
  }));
  return (image) => {
    const said = words[rule[image] ?? -1];
    if (said === undefined) return 'no rule speaks of it';
    return past[image] === 1 ? said.past : said.keeps;
  };
}
