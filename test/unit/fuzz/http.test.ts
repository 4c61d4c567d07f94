/** What strangers write in paths, queries and headers: an answer or a typed refusal, agreeing with a simple oracle. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '../../../src/domain/errors.ts';
import { isDigest } from '../../../src/domain/oci/digest.ts';
import { isAuthority } from '../../../src/registry/auth/challenge.ts';
import { parseBasic } from '../../../src/registry/auth/passwords.ts';
import { matches } from '../../../src/registry/http/manifests.ts';
import { artifactTypeQuery, digestQuery, pageQuery, tagQueries } from '../../../src/registry/http/query.ts';
import { parseChunkRange, parseRange } from '../../../src/registry/http/range.ts';
import { parseRoute } from '../../../src/registry/http/route.ts';
import { absoluteTarget } from '../../../src/registry/http/target.ts';

const runs = { numRuns: 2000 };
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.string({ unit: fc.constantFrom(...'/%2eEfF:.-_aAz09@?&=,"\0 ') }),
);
/** Latin-1, as Node hands header values over. */
const headerText = fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)) });

/** The value, or the refusal; anything else that is thrown fails the test. */
function refusedOr<T>(run: () => T): T | Refusal {
  try {
    return run();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

describe('a path', () => {
  test('is a route whose parts follow their grammars, no route, or a refusal with 400 or 404', () => {
    const word = fc.oneof(
      fc.constantFrom('v2', 'manifests', 'blobs', 'uploads', 'tags', 'list', 'referrers', '_catalog', ''),
      text,
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (words) => {
        const route = refusedOr(() => parseRoute(`/v2/${words.join('/')}`));
        if (route === undefined) return;
        if (route instanceof Refusal) return assert.ok([400, 404].includes(route.status));
        if ('repository' in route) {
          assert.match(route.repository, /^[a-z0-9]/);
          assert.doesNotMatch(route.repository, /[^a-z0-9._/-]|\.\.|\/\/|\/$/);
          assert.ok(route.repository.length <= 255);
        }
        if ('digest' in route) assert.ok(isDigest(route.digest));
      }),
      { numRuns: 5000 },
    );
  });

  test('in absolute form has the path that URL finds; others are left alone', () => {
    const path = fc
      .array(fc.stringMatching(/^[a-z0-9._-]{1,8}$/), { maxLength: 5 })
      .map((parts) => `/${parts.join('/')}`);
    const query = fc.stringMatching(/^(\?[a-z=&]{0,10})?$/);
    fc.assert(
      fc.property(fc.constantFrom('http', 'https', 'HTTP'), fc.domain(), path, query, (scheme, host, rest, more) => {
        const found = absoluteTarget(`${scheme}://${host}${rest}${more}`);
        assert.deepEqual(found, { authority: host, path: rest + more });
      }),
    );
    fc.assert(fc.property(text, (rest) => assert.equal(absoluteTarget(`/${rest}`), undefined)));
    fc.assert(
      fc.property(text, (any) => {
        const found = absoluteTarget(any);
        assert.ok(found === undefined || found.path.startsWith('/'));
      }),
      runs,
    );
  });
});

describe('a query', () => {
  test('of a page is a whole number and a name, or a refusal with 400', () => {
    fc.assert(
      fc.property(fc.option(text), fc.option(text), (n, last) => {
        const query = new URLSearchParams();
        if (n !== null) query.set('n', n);
        if (last !== null) query.set('last', last);
        const page = refusedOr(() => pageQuery(query));
        if (page instanceof Refusal) return assert.equal(page.status, 400);
        assert.ok(page.n === undefined || (Number.isSafeInteger(page.n) && page.n >= 0 && page.n === Number(n)));
        assert.ok(page.last === undefined || (page.last.length <= 256 && !page.last.includes('\0')));
      }),
      runs,
    );
  });

  test('of tags is a list of tags, or a refusal', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 5 }), (values) => {
        const tags = refusedOr(() => tagQueries(new URLSearchParams(values.map((value) => ['tag', value]))));
        if (tags instanceof Refusal) return;
        for (const tag of tags) assert.match(tag, /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/);
        assert.deepEqual(tags, [...new Set(values)]);
      }),
      runs,
    );
  });

  test('of a digest or a type is one, or a refusal', () => {
    fc.assert(
      fc.property(text, (value) => {
        const query = new URLSearchParams({ digest: value, artifactType: value });
        const digest = refusedOr(() => digestQuery(query, 'digest'));
        assert.equal(digest instanceof Refusal, !isDigest(value));
        const type = refusedOr(() => artifactTypeQuery(query));
        if (typeof type === 'string') assert.ok(type.length <= 255 && !/\p{Cc}/u.test(type));
      }),
      runs,
    );
  });
});

/** Which bytes a `Range` of one part asks for, by trying every position. */
function bytesByTrying(first: string, last: string, size: number): number[] {
  const all = Array.from({ length: size }, (_, position) => position);
  if (first === '') return all.slice(Math.max(0, size - Number(last)));
  return all.filter((at) => at >= Number(first) && (last === '' || at <= Number(last)));
}

describe('a range', () => {
  test('to read is the bytes that an oracle finds by trying', () => {
    const bound = fc.oneof(fc.constant(''), fc.nat(60).map(String), fc.constantFrom('007', '99999999999999999999'));
    fc.assert(
      fc.property(bound, bound, fc.nat(50), (first, last, size) => {
        fc.pre(first !== '' || last !== '');
        const range = parseRange(`bytes=${first}-${last}`, size);
        const wanted =
          first !== '' && last !== '' && Number(last) < Number(first) ? [] : bytesByTrying(first, last, size);
        if (wanted.length === 0) assert.equal(range, 'unsatisfiable');
        else assert.deepEqual(range, { start: wanted[0], end: wanted.at(-1) });
      }),
      runs,
    );
  });

  test('of a chunk is two safe whole numbers in order, or nothing', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        assert.deepEqual(parseChunkRange(`${a}-${b}`), a > b ? undefined : { start: a, end: b });
      }),
    );
    const odd = fc.string({ unit: fc.constantFrom(...'0123456789-/* =bytes,') });
    fc.assert(
      fc.property(fc.oneof(headerText, odd), (header) => {
        const range = parseChunkRange(header);
        if (range === undefined) return;
        assert.ok(Number.isSafeInteger(range.start) && Number.isSafeInteger(range.end) && range.start <= range.end);
      }),
      runs,
    );
  });
});

describe('a header', () => {
  const digest = `sha256:${'a'.repeat(64)}` as const;

  test('If-None-Match matches where, and only where, one of its members is the tag', () => {
    const member = fc.constantFrom(`"${digest}"`, `W/"${digest}"`, '*', '"x"', digest, '""', 'W/"x"', `"${digest}`, '');
    const space = fc.constantFrom('', ' ', '\t', '  ');
    fc.assert(
      fc.property(fc.array(fc.tuple(space, member, space)), (members) => {
        const expected = members.some(([, tag]) => ['*', `"${digest}"`, `W/"${digest}"`].includes(tag));
        assert.equal(matches(members.map((parts) => parts.join('')).join(','), digest), expected);
      }),
    );
    fc.assert(
      fc.property(headerText, (any) => assert.equal(typeof matches(any, digest), 'boolean')),
      runs,
    );
  });

  test('Authorization: Basic gives back name and password of any text, and nothing for what is no such thing', () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((any) => !/[:\0]/.test(any) && any.isWellFormed());
    const password = fc.string({ unit: 'grapheme' }).filter((any) => !any.includes('\0') && any.isWellFormed());
    fc.assert(
      fc.property(name, password, (user, secret) => {
        const value = Buffer.from(`${user}:${secret}`).toString('base64');
        // A byte order mark at the start is no part of a text in UTF-8.
        if (!user.startsWith('\ufeff')) assert.deepEqual(parseBasic(value), { name: user, password: secret });
      }),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          headerText,
          fc.base64String(),
          fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')),
        ),
        (any) => {
          const found = parseBasic(any);
          assert.ok(found === undefined || (found.name.length > 0 && !`${found.name}${found.password}`.includes('\0')));
        },
      ),
      runs,
    );
  });

  test('Host stands in a challenge only where it cannot end the quoted string', () => {
    fc.assert(
      fc.property(fc.oneof(headerText, fc.domain(), fc.webAuthority()), (host) => {
        if (isAuthority(host)) assert.match(host, /^[A-Za-z0-9.:[\]-]+$/);
      }),
      runs,
    );
  });
});
