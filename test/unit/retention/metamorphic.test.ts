/** What is known of clusters, told in other ways: more of it never expires more, and the same of it expires the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import type { Image } from '../../../src/domain/retention/image.ts';
import { InUse, type RepositoryUse } from '../../../src/domain/retention/in-use.ts';
import type { UsedImage } from '../../../src/domain/retention/inventory.ts';
import { planRetention, planTable } from '../../../src/domain/retention/plan.ts';
import type { Policy } from '../../../src/domain/retention/policy.ts';
import { readRules } from '../../../src/domain/retention/read-rules.ts';
import { receiveReport } from '../../../src/domain/retention/report.ts';
import { ImageTable } from '../../../src/domain/retention/table.ts';
import { day, digest, images, isSubset, mostImages, now, protect, rules } from './arbitraries.ts';

const runs = { numRuns: 1500 };

const repository = 'shop/web';
const tag = fc.constantFrom('a', 'a-1', 'b', 'prod-1', 'prod-2', 'x', 'not-there');
const used: fc.Arbitrary<Partial<UsedImage>> = fc.oneof(
  fc.nat(mostImages).map((n) => ({ digests: [digest(n) as Digest] })),
  fc.nat(mostImages).map((n) => ({ image: `r.example.com/shop/web@${digest(n)}` })),
  tag.map((name) => ({ image: `r.example.com/shop/web:${name}` })),
  tag.map((name) => ({ image: `r.example.com/other:${name}` })),
);
/** What each cluster names, and how many days ago it did. */
const clusters = fc.array(fc.record({ images: fc.array(used, { maxLength: 3 }), days: fc.nat(6) }), { maxLength: 3 });
type Clusters = typeof clusters extends fc.Arbitrary<infer Kind> ? Kind : never;

function inUse(list: Clusters): RepositoryUse {
  const reports = list.map(({ images: named, days }, index) => {
    const whole = named.map((image) => ({ image: 'unknown.example.com/none:1', digests: [], by: [], ...image }));
    const receivedAt = now - days * day;
    const inventory = { reportedAt: receivedAt, images: whole };
    return receiveReport(undefined, { cluster: `c${index}`, receivedAt, inventory });
  });
  return new InUse(reports, { clusters: reports.map(({ cluster }) => cluster), staleAfter: day, now }).in(repository);
}

function expired(list: readonly Image[], policy: Policy, use: RepositoryUse): Map<string, number> {
  const table = new ImageTable({ use });
  for (const image of list) table.add(image);
  const plan = planTable(table, { policy, now });
  const positions = [...list.keys()].filter((position) => plan.expires(position));
  assert.equal(plan.expiring, positions.length);
  return new Map(
    positions.map((position) => [table.digest(position), plan.decision(position).rulePriority ?? Number.NaN]),
  );
}

test('one more cluster, one more image that a cluster names, or an older report never expires more', () => {
  fc.assert(
    fc.property(images, rules, clusters, used, (list, text, heard, more) => {
      const policy = { rules: readRules(text) };
      const before = expired(list, policy, inUse(heard));
      assert.ok(isSubset(expired(list, policy, inUse([...heard, { images: [more], days: 0 }])), before));
      const [first, ...others] = heard;
      if (first === undefined) return;
      const named = { ...first, images: [...first.images, more] };
      assert.ok(
        isSubset(expired(list, policy, inUse([named, ...others])), expired(list, policy, inUse([first, ...others]))),
      );
      const older = { ...first, days: first.days + 1 };
      assert.ok(
        isSubset(expired(list, policy, inUse([older, ...others])), expired(list, policy, inUse([first, ...others]))),
      );
    }),
    runs,
  );
});

test('protection on top of what is in use never expires more, and neither does use on top of protection', () => {
  fc.assert(
    fc.property(images, rules, protect, clusters, (list, text, protection, heard) => {
      const bare = { rules: readRules(text) };
      const whole = { ...bare, protect: protection };
      const both = expired(list, whole, inUse(heard));
      assert.ok(isSubset(both, expired(list, bare, inUse(heard))));
      assert.ok(isSubset(both, expired(list, whole, inUse([]))));
    }),
    runs,
  );
});

test('a tag keeps what its digest would keep', () => {
  fc.assert(
    fc.property(images, rules, tag, (list, text, name) => {
      const policy = { rules: readRules(text) };
      const byTag = inUse([{ images: [{ image: `any-host:5000/shop/web:${name}` }], days: -1 }]);
      const digests = list.filter(({ tags }) => tags.includes(name)).map((image) => image.digest as Digest);
      const byDigest = inUse([{ images: [{ digests }], days: -1 }]);
      assert.deepEqual(expired(list, policy, byTag), expired(list, policy, byDigest));
    }),
    runs,
  );
});

test('who reports it, in which order and how often, changes nothing', () => {
  fc.assert(
    fc.property(images, rules, clusters, (list, text, heard) => {
      const policy = { rules: readRules(text) };
      const first = expired(list, policy, inUse(heard));
      assert.deepEqual(expired(list, policy, inUse(heard.toReversed())), first);
      assert.deepEqual(expired(list, policy, inUse([...heard, ...heard])), first);
      // What one cluster names, all may name, as far as they are as old.
      const together = {
        images: heard.flatMap((cluster) => cluster.images),
        days: Math.max(-1, ...heard.map(({ days }) => days)),
      };
      if (heard.length > 0) assert.deepEqual(expired(list, policy, inUse([together])), first);
    }),
    runs,
  );
});

test('what is in use stays, with its indexes, their children, and what was pulled since', () => {
  fc.assert(
    fc.property(images, rules, clusters, (list, text, heard) => {
      const use = inUse(heard);
      const gone = expired(list, { rules: readRules(text) }, use);
      for (const image of list) {
        const kept = [image, ...list.filter((other) => other.children?.includes(image.digest))];
        if (use.usedBy(image) === undefined) continue;
        for (const { digest: name, children = [] } of kept)
          assert.ok(
            [name, ...children].every((one) => !gone.has(one)),
            `${image.digest} is in use, and ${name} goes`,
          );
      }
    }),
    runs,
  );
});

test('columns decide as a list does, whatever is in it', () => {
  fc.assert(
    fc.property(images, rules, protect, fc.uniqueArray(fc.nat(mostImages)), (list, text, protection, pinned) => {
      const pins = new Map(pinned.map((n) => [digest(n), `Pod ${n}`]));
      const policy = { rules: readRules(text), protect: protection };
      const table = new ImageTable({ use: { usedBy: (image) => pins.get(image.digest) } });
      for (const image of list) table.add(image);
      const [columns, plan] = [planTable(table, { policy, now }), planRetention({ images: list, policy, now, pins })];
      for (const [position, image] of list.entries()) {
        assert.deepEqual(table.tags.of(position), image.tags);
        assert.deepEqual([table.digest(position), table.positionOf(image.digest)], [image.digest, position]);
        assert.deepEqual(
          [table.pushedAt(position), table.pulledAt(position), table.size(position)],
          [image.pushedAt, image.pulledAt, image.size],
        );
        if (!list.some(({ config }) => config !== undefined))
          assert.deepEqual(columns.decision(position), plan.decision(position));
      }
    }),
    { numRuns: 1000 },
  );
});
