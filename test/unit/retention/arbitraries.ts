/** Repositories, policies and protections of any kind, small enough that everything meets everything. */
import fc from 'fast-check';
import type { Image } from '../../../src/domain/retention/image.ts';
import type { Protection } from '../../../src/domain/retention/policy.ts';

export const now = Date.parse('2026-11-22T00:00:00Z');
export const day = 86_400_000;
export const digest = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}`;
export const mostImages = 9;

export const tag = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('a', 'a-1', 'a-2', 'b', 'b-1', 'ab', 'prod-1', 'prod-2', 'x') },
  { weight: 2, arbitrary: fc.nat(mostImages).map((n) => `sha256-${digest(n).slice(7)}.sig`) },
);
export const pattern = fc.constantFrom('*', 'a*', '*a', 'a-*', 'b*', 'prod*', 'prod-1', '*1', '*-*', 'x');

/** Children and subjects are of smaller number, so that nothing is above itself. */
export const images = fc
  .array(
    fc.record({
      tags: fc.uniqueArray(tag, { maxLength: 3 }),
      pushed: fc.nat(6),
      pulled: fc.option(fc.nat(6), { nil: undefined }),
      children: fc.uniqueArray(fc.nat(mostImages), { maxLength: 2 }),
      subject: fc.option(fc.nat(mostImages), { nil: undefined, freq: 4 }),
      config: fc.option(fc.nat(3), { nil: undefined }),
    }),
    { minLength: 1, maxLength: mostImages },
  )
  .map((records) =>
    records.map(
      ({ tags, pushed, pulled, children, subject, config }, position): Image => ({
        digest: digest(position),
        tags,
        pushedAt: now - pushed * day,
        size: 1,
        ...(pulled === undefined ? {} : { pulledAt: now - pulled * day }),
        children: children.filter((child) => child < position).map(digest),
        ...(subject === undefined || subject >= position ? {} : { subject: digest(subject) }),
        ...(config === undefined ? {} : { config: `config-${config}` }),
      }),
    ),
  );

const selection = fc
  .record({
    tagged: fc.option(fc.uniqueArray(pattern, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 6 }),
    countType: fc.constantFrom('imageCountMoreThan', 'sinceImagePushed', 'sinceImagePulled'),
    countNumber: fc.integer({ min: 1, max: 4 }),
    transition: fc.boolean(),
  })
  .map(({ tagged, countType, countNumber, transition }) => ({
    selection: {
      ...(tagged === undefined ? { tagStatus: 'untagged' } : { tagStatus: 'tagged', tagPatternList: tagged }),
      countType,
      countNumber,
      ...(countType === 'imageCountMoreThan' ? {} : { countUnit: 'days' }),
    },
    action:
      transition && countNumber === 4 ? { type: 'transition', targetStorageClass: 'archive' } : { type: 'expire' },
  }));

const any = fc.record({ countNumber: fc.integer({ min: 1, max: 4 }) }).map(({ countNumber }) => ({
  selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber },
  action: { type: 'expire' },
}));

/** Rules in ECR's shape; at most one for what is untagged, and the one for everything last. */
export const rules = fc
  .tuple(fc.array(selection, { minLength: 1, maxLength: 4 }), fc.option(any))
  .map(([some, last]) => {
    let untagged = 0;
    const kept = some.filter((rule) => rule.selection.tagStatus !== 'untagged' || ++untagged === 1);
    return [...kept, ...(last === null ? [] : [last])].map((rule, index) => ({
      rulePriority: (index + 1) * 10,
      ...rule,
    }));
  });

export const protect: fc.Arbitrary<Protection> = fc.record(
  {
    tags: fc.array(pattern, { maxLength: 1 }),
    newest: fc.nat(2),
    pulledWithin: fc.constantFrom(day, 3 * day),
  },
  { requiredKeys: [] },
);

export const pins = fc
  .array(
    fc.oneof(
      fc.nat(mostImages).map(digest),
      fc.nat(3).map((n) => `config-${n}`),
    ),
    { maxLength: 2 },
  )
  .map((digests) => new Map(digests.map((pinned) => [pinned, 'a Pod'])));

export const runs = { numRuns: 4000 };

export function isSubset(some: ReadonlyMap<string, number>, all: ReadonlyMap<string, number>): boolean {
  return [...some.keys()].every((key) => all.has(key));
}
