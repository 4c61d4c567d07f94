import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nameAtTarget, repositoryMatcher } from '../../../src/domain/replication/repositories.ts';

test('patterns name repositories segment by segment', () => {
  const cases: [string, string, boolean][] = [
    ['team/app', 'team/app', true],
    ['team/app', 'team/app/x', false],
    ['team/*', 'team/app', true],
    ['team/*', 'team', false],
    ['team/*', 'team/a/b', false],
    ['team/a*p', 'team/app', true],
    ['team/?pp', 'team/app', true],
    ['team/?pp', 'team/pp', false],
    ['team/**', 'team/a/b/c', true],
    ['team/**', 'team', false],
    ['**/app', 'app', true],
    ['**/app', 'x/y/app', true],
    ['**', 'anything/at/all', true],
    ['a/**/z', 'a/z', true],
    ['a/**/z', 'a/b/c/z', true],
    ['a/**/z', 'a/b/c', false],
  ];
  for (const [pattern, name, wanted] of cases)
    assert.equal(repositoryMatcher(pattern)(name), wanted, `${pattern} ${name}`);
});

test('a pattern matches what its regular expression matches', () => {
  const segment = fc.stringMatching(/^[ab]{1,3}$/);
  const part = fc.oneof(fc.stringMatching(/^[ab*?]{1,3}$/), fc.constant('**'));
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 4 }),
      fc.array(segment, { minLength: 1, maxLength: 5 }),
      (parts, name) => {
        assert.equal(
          repositoryMatcher(parts.join('/'))(name.join('/')),
          expressionOf(parts).test(`/${name.join('/')}`),
        );
      },
    ),
    { numRuns: 2000 },
  );
});

function expressionOf(parts: readonly string[]): RegExp {
  const text = parts.map((part, index) => {
    if (part === '**') return index === parts.length - 1 ? '(/[^/]+)+' : '(/[^/]+)*';
    return `/${part.replaceAll(/\*+/g, '[^/]*').replaceAll('?', '[^/]')}`;
  });
  return new RegExp(`^${text.join('')}$`);
}

test('hostile patterns take no longer than their length says', () => {
  const matches = repositoryMatcher(`${'**/'.repeat(60)}x`);
  const took = () => {
    const began = performance.now();
    assert.equal(matches(`${'a/'.repeat(100)}y`), false);
    return performance.now() - began;
  };
  // The quicker of two: during the other the machine may have done something else.
  assert.ok(Math.min(took(), took()) < 200);
});

test('what stands from the first segment with a pattern on is appended', () => {
  const cases: [string, string, string, string | undefined][] = [
    ['team/app', 'team/app', 'mirror/app', 'mirror/app'],
    ['team/app', 'team/app', '', 'team/app'],
    ['team/*', 'team/app', 'mirror', 'mirror/app'],
    ['team/*', 'team/app', '', 'app'],
    ['team/a*/x', 'team/ab/x', 'mirror', 'mirror/ab/x'],
    ['**', 'team/app', 'mirror', 'mirror/team/app'],
    ['*', 'app', `${'m'.repeat(254)}`, undefined],
  ];
  for (const [pattern, name, path, wanted] of cases)
    assert.equal(nameAtTarget(pattern, name, path), wanted, `${pattern} ${path}`);
});
