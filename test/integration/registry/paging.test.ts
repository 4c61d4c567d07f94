/** Walking any list with any `n` and any `last` gives each entry exactly once, in order. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type Client, client, digestOf, indexType } from './client.ts';
import { type Server, startServer } from './server.ts';

const tags = [
  '0',
  '10',
  '2',
  'A',
  'B.b',
  'Z',
  '_',
  '_a',
  'a',
  'a-b',
  'a.b',
  'a_b',
  'ab',
  'b',
  'latest',
  'v1.0',
  'v1.0-rc.1',
  'z',
];
const repositories = ['a', 'a-b', 'a/b', 'a/b-c', 'a/b/c', 'a0', 'aa', 'b', 'b.c', 'b/c', 'b_c', 'tags/list', 'z'];
const index = (more: object = {}) =>
  Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [], ...more }));
const subject = { mediaType: indexType, digest: digestOf(index()), size: index().length };
const referrers: string[] = [];
let server: Server;
let registry: Client;

const put = async (path: string, body: Buffer) => {
  const { status } = await registry.request('PUT', path, { body, headers: { 'content-type': indexType } });
  assert.equal(status, 201);
};

before(async () => {
  server = await startServer();
  registry = client(server);
  for (const repository of repositories) await put(`/v2/${repository}/manifests/x`, index());
  for (const tag of tags) await put(`/v2/many/manifests/${tag}`, index());
  for (let number = 0; number < 20; number++) {
    const body = index({ subject, annotations: { number: `${number}` } });
    await put(`/v2/many/manifests/${digestOf(body)}`, body);
    referrers.push(digestOf(body));
  }
  repositories.push('many');
});
after(() => server.discard());

/** Follows `Link` from a first page; answers the entries of all pages, and asserts that none is longer than asked for. */
async function walk(path: string, query: URLSearchParams, entries: (body: unknown) => string[]): Promise<string[]> {
  const found: string[] = [];
  const n = Number(query.get('n') ?? Infinity);
  for (let next: string | undefined = `${path}?${query}`; next !== undefined; ) {
    const answer = await registry.request('GET', next);
    assert.equal(answer.status, 200);
    const page = entries(answer.json());
    assert.ok(page.length <= n);
    found.push(...page);
    next = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
    assert.ok(next === undefined || page.length === n, 'a page that is not the last is full');
  }
  return found;
}

/** What comes after `last` in ASCII order; nothing for n=0. */
const expected = (all: readonly string[], { n, last }: { n: number | null; last: string | null }) =>
  n === 0 ? [] : [...all].sort().filter((entry) => last === null || entry > last);

const asked = fc.record({
  n: fc.option(fc.oneof(fc.nat(25), fc.constantFrom(2 ** 31, 10 ** 12))),
  last: fc.option(fc.oneof(fc.constantFrom(...tags, ...repositories), fc.stringMatching(/^[!-~]{1,6}$/))),
});

function queryOf({ n, last }: { n: number | null; last: string | null }): URLSearchParams {
  return new URLSearchParams({ ...(n !== null && { n: `${n}` }), ...(last !== null && { last }) });
}

test('tags', async () => {
  await fc.assert(
    fc.asyncProperty(asked, async (page) => {
      const found = await walk('/v2/many/tags/list', queryOf(page), (body) => (body as { tags: string[] }).tags);
      assert.deepEqual(found, expected(tags, page));
    }),
    { numRuns: 40 },
  );
});

test('repositories', async () => {
  await fc.assert(
    fc.asyncProperty(asked, async (page) => {
      const found = await walk(
        '/v2/_catalog',
        queryOf(page),
        (body) => (body as { repositories: string[] }).repositories,
      );
      assert.deepEqual(found, expected(repositories, page));
    }),
    { numRuns: 40 },
  );
});

test('referrers', async () => {
  const digests = (body: unknown) =>
    (body as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest);
  await fc.assert(
    fc.asyncProperty(fc.option(fc.constantFrom(...referrers)), async (last) => {
      const path = `/v2/many/referrers/${subject.digest}`;
      const found = await walk(path, queryOf({ n: null, last }), digests);
      assert.deepEqual(found.toSorted(), expected(referrers, { n: null, last }));
    }),
    { numRuns: 20 },
  );
});
