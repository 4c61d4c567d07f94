import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { globOf } from '../../../src/domain/retention/glob.ts';
import { repositoriesIn } from '../../../src/registry/retention/repositories.ts';

const segment = fc.stringMatching(/^[ab]{1,2}$/);
const names = fc.uniqueArray(
  fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join('/')),
  { maxLength: 30 },
);
const pattern = fc.array(fc.oneof(segment, fc.constantFrom('*', '**', 'a*', '?b')), { minLength: 1, maxLength: 3 });
const patterns = fc.array(
  pattern.map((segments) => segments.join('/')),
  { minLength: 1, maxLength: 5 },
);

/** As the stores list them. */
function listing(all: readonly string[]) {
  const sorted = [...all].sort();
  return {
    asked: 0,
    repositoryExists: (name: string) => sorted.includes(name),
    repositories({ last = '', limit }: { last?: string; limit: number }) {
      this.asked += 1;
      return sorted.filter((name) => name > last).slice(0, limit);
    },
  };
}

async function found(all: readonly string[], include: readonly string[]): Promise<string[]> {
  const repositories: string[] = [];
  for await (const name of repositoriesIn(listing(all), { include })) repositories.push(name);
  return repositories;
}

test('every repository that a pattern matches comes, once, in the order of the names', async () => {
  await fc.assert(
    fc.asyncProperty(names, patterns, async (all, include) => {
      const repositories = await found(all, include);
      assert.deepEqual(repositories, [...new Set(repositories)].sort());
      const globs = include.map(globOf);
      const wanted = all.filter((name) => globs.some((glob) => glob.matches(name)));
      assert.deepEqual(
        wanted.filter((name) => !repositories.includes(name)),
        [],
      );
    }),
  );
});

test('only what begins as a pattern does is looked at, a page at a time', async () => {
  const all = Array.from(
    { length: 5000 },
    (_, index) => `${index < 2500 ? 'a' : 'b'}/${String(index).padStart(4, '0')}`,
  );
  const metadata = listing(all);
  const repositories: string[] = [];
  for await (const name of repositoriesIn(metadata, { include: ['b/**'] })) repositories.push(name);
  assert.deepEqual(repositories, all.slice(2500));
  assert.equal(metadata.asked, 13);
});
