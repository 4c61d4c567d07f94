/** Which policy governs a repository. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { globOf } from '../../../src/domain/retention/glob.ts';
import { type Selector, selectionOf } from '../../../src/domain/retention/selection.ts';

test('a star stays within a segment, two stars do not, a question mark is one character', () => {
  const cases: [string, string[], string[]][] = [
    ['team/app', ['team/app'], ['team/app2', 'team', 'team/app/x']],
    ['team/*', ['team/app', 'team/a-b'], ['team', 'team/app/x', 'other/app']],
    ['*', ['app'], ['team/app']],
    ['**', ['app', 'team/app', 'a/b/c'], []],
    ['team/**', ['team/app', 'team/a/b'], ['team', 'teams/app']],
    ['team**', ['team', 'teams/app', 'team/a/b'], ['a/team']],
    ['**/app', ['app', 'team/app', 'a/b/app'], ['team/xapp', 'app/x', 'xapp']],
    ['team/**/app', ['team/app', 'team/a/app', 'team/a/b/app'], ['team/xapp', 'team', 'teamapp']],
    ['**/cache/**', ['cache/a', 'x/cache/a/b'], ['cache', 'x/cache', 'xcache/a']],
    ['a**/b', ['a/b', 'ax/y/b', 'a/x/b'], ['ab', 'b']],
    ['app-?', ['app-1'], ['app-', 'app-12', 'app/1']],
    ['a?b', ['axb'], ['a/b']],
    ['*-cache', ['x-cache', '-cache'], ['a/x-cache', 'x-caches']],
    ['p*d*', ['prod', 'prod-1', 'pd'], ['prox', 'p/d']],
    ['***', ['a/b'], []],
  ];
  for (const [pattern, matching, others] of cases) {
    for (const name of matching) assert.ok(globOf(pattern).matches(name), `${pattern} ${name}`);
    for (const name of others) assert.ok(!globOf(pattern).matches(name), `${pattern} not ${name}`);
  }
});

/** The same said as a regular expression. */
function slowly(pattern: string): RegExp {
  const source = pattern
    .replace(/\*{2,}/g, '**')
    .replace(/(^|\/)\*\*\/|\*\*|\*|\?|[.]/g, (part, before: string | undefined) => {
      if (part === '**') return '.*';
      if (part === '*') return '[^/]*';
      if (part === '?') return '[^/]';
      return part === '.' ? '\\.' : `${before}(?:[^/]*/)*`;
    });
  return new RegExp(`^${source}$`);
}

test('any pattern matches what the same regular expression does', () => {
  const piece = fc.constantFrom('a', 'b', '/', '*', '**', '?', '**/', 'ab');
  const pattern = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
  // One that follows another at once is read by the expression above as something else.
  const plain = pattern.filter((text) => !/\*\*\/\*\*/.test(text) && !/\*{3}/.test(text));
  const name = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 8 }).map((characters) => characters.join(''));
  fc.assert(
    fc.property(plain, name, (text, candidate) => {
      assert.equal(globOf(text).matches(candidate), slowly(text).test(candidate));
    }),
    { numRuns: 5000 },
  );
});

test('the work for a pattern is bounded by its length and that of the name', () => {
  const hostile = globOf(`${'*a'.repeat(120)}**${'?*'.repeat(6)}`);
  const name = 'a'.repeat(255);
  for (let times = 0; times < 200; times++) hostile.matches(name);
  assert.equal(globOf(`${'**/'.repeat(80)}b`).matches(`${'a/'.repeat(127)}a`), false);
});

const policies = (...selectors: [name: string, include: string, exclude?: string][]): Selector[] =>
  selectors.map(([name, include, exclude]) => ({
    name,
    include: include.split(' '),
    ...(exclude === undefined ? {} : { exclude: exclude.split(' ') }),
  }));

test('the most specific policy governs: a literal name, the longer literal prefix, fewer wildcards', () => {
  const select = selectionOf(
    policies(
      ['all', '**'],
      ['team', 'team/**'],
      ['apps', 'team/app-*'],
      ['two', 'team/app-*-*'],
      ['one', 'team/app-1'],
    ),
  );
  assert.deepEqual(select('other/x'), { policy: 'all', pattern: '**' });
  assert.deepEqual(select('team/x/y'), { policy: 'team', pattern: 'team/**' });
  assert.deepEqual(select('team/app-2-3'), { policy: 'apps', pattern: 'team/app-*' });
  assert.deepEqual(select('team/app-1'), { policy: 'one', pattern: 'team/app-1' });
  assert.equal(selectionOf(policies(['a', 'a']))('b'), undefined);
});

test('of a policy the most specific of its patterns counts', () => {
  const select = selectionOf(policies(['broad', '** team/app'], ['narrow', 'team/*']));
  assert.deepEqual(select('team/app'), { policy: 'broad', pattern: 'team/app' });
  assert.deepEqual(select('team/other'), { policy: 'narrow', pattern: 'team/*' });
});

test('a policy has no say where it excludes, whatever it includes', () => {
  const select = selectionOf(policies(['all', '**'], ['team', 'team/** team/app', '**/app']));
  assert.deepEqual(select('team/app'), { policy: 'all', pattern: '**' });
  assert.deepEqual(select('team/x'), { policy: 'team', pattern: 'team/**' });
});

test('policies as specific as each other are in conflict, where no other is more so', () => {
  const select = selectionOf(policies(['b', 'team/*-x team/y'], ['a', 'team/app* team/y'], ['c', 'team/**']));
  assert.deepEqual(select('team/y'), { conflict: ['a', 'b'], pattern: 'team/y' });
  assert.deepEqual(select('team/app-x'), { policy: 'a', pattern: 'team/app*' });
  const tie = selectionOf(policies(['b', 'team/*-x'], ['a', 'team/app* team/*x'], ['c', 'team/**']));
  assert.deepEqual(tie('team/z-x'), { conflict: ['a', 'b', 'c'], pattern: 'team/**' });
});

test('the order in which policies are listed changes nothing', () => {
  const pattern = fc.constantFrom('**', 'a/**', 'a/*', 'a/b', 'a/b*', '*/b', '**/b', 'a/?');
  const selectors = fc
    .array(fc.uniqueArray(pattern, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 })
    .map((lists) => lists.map((include, index) => ({ name: `policy-${index}`, include })));
  fc.assert(
    fc.property(selectors, fc.constantFrom('a/b', 'a/c', 'b', 'c/b', 'a/b/c'), (list, repository) => {
      assert.deepEqual(selectionOf(list.toReversed())(repository), selectionOf(list)(repository));
    }),
  );
});
