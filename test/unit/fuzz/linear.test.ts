/** No parser takes more than linear time: a text made for its worst case, sixteen times as long, takes some sixteen times as long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseScopes } from '../../../src/domain/access/scope.ts';
import { parseStrictJson } from '../../../src/domain/json.ts';
import { readManifest } from '../../../src/domain/oci/manifest.ts';
import { isHost, isRepositoryName, parseReference } from '../../../src/domain/oci/reference.ts';
import { parseBasic } from '../../../src/registry/auth/passwords.ts';
import { matches } from '../../../src/registry/http/manifests.ts';
import { plainHeaders, plainRequestLine } from '../../../src/registry/http/plain-request.ts';
import { pageQuery, tagQueries } from '../../../src/registry/http/query.ts';
import { parseChunkRange, parseRange } from '../../../src/registry/http/range.ts';
import { parseRoute } from '../../../src/registry/http/route.ts';
import { absoluteTarget } from '../../../src/registry/http/target.ts';

const digest = `sha256:${'a'.repeat(64)}` as const;
const bytes = (text: string) => new TextEncoder().encode(text);

/** What takes a text of about `n` characters that is made to be slow. */
const parsers: Readonly<Record<string, (n: number) => unknown>> = {
  'a path of slashes': (n) => parseRoute(`/v2/${'/'.repeat(n)}`),
  'a path of words': (n) => parseRoute(`/v2/${'blobs/uploads/'.repeat(n / 14)}x`),
  'a tag of escapes': (n) => parseRoute(`/v2/a/manifests/${'%25'.repeat(n / 3)}`),
  'a repository of separators': (n) => isRepositoryName(`a${'-'.repeat(n)}!`),
  'a host of dots': (n) => isHost(`${'a.'.repeat(n / 2)}!`),
  'a reference of colons': (n) => parseReference(`a.b/${':a'.repeat(n / 2)}`),
  'a target in absolute form': (n) => absoluteTarget(`http://${'a'.repeat(n)}`),
  'a range of digits': (n) => parseRange(`bytes=${'1'.repeat(n)}x`, 10),
  'a chunk range of slashes': (n) => parseChunkRange(`${'/1'.repeat(n / 2)}x`),
  'entity tags': (n) => matches('"a" , '.repeat(n / 6), digest),
  'an entity tag of spaces': (n) => matches(`W/${' '.repeat(n)}a`, digest),
  'Basic credentials': (n) => parseBasic(`${'A'.repeat(n)}!`),
  scopes: (n) => parseScopes([`${'repository:a:pull '.repeat(n / 18)}`]),
  'a scope of commas': (n) => parseScopes([`repository:a:${'pull,'.repeat(n / 5)}`]),
  'a scope of colons': (n) => parseScopes([':'.repeat(n)]),
  tags: (n) => tagQueries(new URLSearchParams('tag=a&'.repeat(n / 6))),
  'a page': (n) => pageQuery(new URLSearchParams({ n: '1'.repeat(n) })),
  'a request line': (n) => plainRequestLine(`GET /${' '.repeat(n)}HTTP/1.1`),
  'a field of spaces': (n) => plainHeaders(`Host: a\r\nB:${' '.repeat(n)}\x01\r\n\r\n`),
  'JSON of quotes': (n) => parseStrictJson('"\\""'.repeat(n / 4)),
  'JSON of backslashes': (n) => parseStrictJson(`"${'\\'.repeat(n)}"`),
  'JSON of strings and spaces': (n) => parseStrictJson(`{"a"${' '.repeat(n)}1`),
  'JSON of keys': (n) =>
    parseStrictJson(`{${Array.from({ length: n / 10 }, (_, index) => `"k${index}":1`).join(',')}}`),
  'JSON of digits': (n) => parseStrictJson(`[${'1'.repeat(n)}]`),
  'a manifest of layers': (n) =>
    readManifest(
      bytes(
        `{"schemaVersion":2,"manifests":[${Array(Math.ceil(n / 100)).fill(`{"mediaType":"a","digest":"${digest}","size":1}`)}]}`,
      ),
      undefined,
    ),
};

function once(run: () => unknown): number {
  const began = performance.now();
  try {
    run();
  } catch {
    // A refusal: how long it took is what counts.
  }
  return performance.now() - began;
}

const quickest = (run: () => unknown) => Math.min(...Array.from({ length: 7 }, () => once(run)));

for (const [what, parse] of Object.entries(parsers)) {
  test(`${what}: sixteen times the length, no more than some sixteen times the time`, () => {
    const short = quickest(() => parse(4_000));
    const long = quickest(() => parse(64_000));
    // A quadratic one takes 256 times as long. Below a millisecond the clock says nothing.
    assert.ok(
      long < Math.max(16 * 6 * short, 2),
      `${short.toFixed(3)} ms for 4,000 and ${long.toFixed(3)} ms for 64,000`,
    );
  });
}
