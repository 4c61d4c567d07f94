import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHtpasswd } from '../../../src/registry/auth/htpasswd.ts';

const hash = (cost = '10') => `$2y$${cost}$${'a'.repeat(53)}`;

test('names and bcrypt hashes are read; empty lines and comments are skipped', () => {
  const users = parseHtpasswd(`# team\n\nalice:${hash()}\r\n  bob:${hash()}  \n`, 'f');
  assert.deepEqual([...users.keys()], ['alice', 'bob']);
});

const bad: Record<string, { text: string; says: RegExp }> = {
  'an MD5 hash': { text: 'a:$apr1$x$y', says: /users line 1: user "a" has no bcrypt hash; make one with htpasswd -B/ },
  'a plain password': { text: '\na:secret', says: /line 2: user "a" has no bcrypt hash/ },
  'no colon': { text: 'alice', says: /line 1: a line is "name:hash"/ },
  'an empty name': { text: `:${hash()}`, says: /line 1: a line is/ },
  'a name with a space': { text: `a b:${hash()}`, says: /line 1: a line is/ },
  'the name of nobody': { text: `anonymous:${hash()}`, says: /not "anonymous"/ },
  'a name given twice': { text: `a:${hash()}\na:${hash()}`, says: /line 2: user "a" is there twice/ },
  'a cost that takes minutes': { text: `a:${hash('31')}`, says: /cost 31; use 4 to 15/ },
  'a hash that is cut off': { text: `a:${hash().slice(0, -1)}`, says: /no bcrypt hash/ },
};

for (const [what, { text, says }] of Object.entries(bad)) {
  test(`${what} is refused with file and line, and the error holds no hash`, () => {
    assert.throws(
      () => parseHtpasswd(text, 'users'),
      (error: Error) => {
        assert.match(error.message, says);
        assert.doesNotMatch(error.message, /aaaa|secret|apr1/);
        return true;
      },
    );
  });
}
