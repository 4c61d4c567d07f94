import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Action, actions } from '../../../src/domain/access/action.ts';
import {
  actionOf,
  covers,
  grantable,
  mostScopes,
  parseScopes,
  repositoryWords,
  scopeFor,
} from '../../../src/domain/access/scope.ts';

test('several scopes come in one parameter or in many, with or without a class', () => {
  const expected = [
    { type: 'repository', name: 'a/b', actions: ['pull', 'push'] },
    { type: 'repository', name: 'c', actions: ['pull'] },
    { type: 'registry', name: 'catalog', actions: ['*'] },
  ];
  assert.deepEqual(parseScopes(['repository:a/b:pull,push repository(plugin):c:pull', 'registry:catalog:*']), expected);
});

test('the same name twice is one entry', () => {
  assert.deepEqual(parseScopes(['repository:a:pull', 'repository:a:push,pull']), [
    { type: 'repository', name: 'a', actions: ['pull', 'push'] },
  ]);
});

test('a host with a port before the name is left out', () => {
  assert.deepEqual(parseScopes(['repository:registry.example:5000/a/b:pull'])[0]?.name, 'a/b');
});

for (const scope of [
  '',
  'repository',
  'repository:',
  'repository::pull',
  'repository:A:pull',
  'repository:../a:pull',
  'repository:a%2fb:pull',
  'x:a:pull',
  'registry:other:*',
  'repository(evil)(twice):a:pull',
]) {
  test(`what is not understood is left out: ${JSON.stringify(scope)}`, () => {
    assert.deepEqual(parseScopes([scope]), []);
  });
}

test('a request with endless scopes is read to a bound', () => {
  const many = Array.from({ length: 5000 }, (_, i) => `repository:r${i}:pull`);
  assert.equal(parseScopes([many.join(' ')]).length, mostScopes);
});

test('reading scopes never throws', () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => Array.isArray(parseScopes(texts))));
});

const everything = () => true;

test('a star becomes what is allowed of it', () => {
  const asked = parseScopes(['repository:a:*']);
  assert.deepEqual(grantable(asked, everything), [{ type: 'repository', name: 'a', actions: ['*'] }]);
  assert.deepEqual(
    grantable(asked, (action) => action === 'Pull'),
    [{ type: 'repository', name: 'a', actions: ['pull'] }],
  );
  assert.deepEqual(
    grantable(asked, () => false),
    [],
  );
});

test('a token is never more than what was asked and what is allowed', () => {
  const word = fc.constantFrom('pull', 'push', 'delete', '*', 'other');
  const name = fc.constantFrom('a', 'b/c', 'd');
  const scope = fc
    .tuple(name, fc.array(word, { maxLength: 4 }))
    .map(([n, words]) => `repository:${n}:${words.join(',')}`);
  fc.assert(
    fc.property(fc.array(scope), fc.array(fc.tuple(name, fc.constantFrom(...repositoryWords))), (asked, allowed) => {
      const may = (action: Action, repository: string | undefined) =>
        allowed.some(([n, w]) => n === repository && actionOf(w) === action);
      const granted = grantable(parseScopes(asked), may);
      for (const repository of ['a', 'b/c', 'd']) {
        for (const w of repositoryWords) {
          const got = covers(granted, actionOf(w), repository);
          const wanted = asked.some((text) => {
            const [, n, words = ''] = text.split(':');
            return n === repository && (words.split(',').includes(w) || words.split(',').includes('*'));
          });
          assert.equal(got, wanted && may(actionOf(w), repository), `${w} in ${repository}`);
        }
      }
    }),
  );
});

test('a grant covers its own repository only', () => {
  const grants = parseScopes(['repository:team/app:pull,push']);
  assert.equal(covers(grants, 'CreateTag', 'team/app'), true);
  assert.equal(covers(grants, 'Pull', 'team/app2'), false);
  assert.equal(covers(grants, 'Pull', 'team'), false);
  assert.equal(covers(grants, 'DeleteTag', 'team/app'), false);
  assert.equal(covers(grants, 'List', undefined), false);
  assert.equal(covers(parseScopes(['repository:team/app:*']), 'Admin', 'team/app'), false);
});

test('what a challenge asks for covers the action it was made for', () => {
  for (const action of actions) {
    const scope = scopeFor(action, 'a/b');
    if (scope !== undefined) assert.equal(covers(parseScopes([scope]), action, 'a/b'), true, action);
  }
  assert.equal(scopeFor('PushBlob', 'a/b'), 'repository:a/b:pull,push');
  assert.equal(scopeFor('DeleteManifest', 'a/b'), 'repository:a/b:delete');
});
