import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '../../../src/domain/errors.ts';
import { parseRoute } from '../../../src/registry/http/route.ts';

const hex = 'a'.repeat(64);
const id = '123e4567-e89b-42d3-a456-426614174000';
const code = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
  return 'none';
};

describe('a path of the API', () => {
  const cases: readonly [string, unknown][] = [
    ['/v2/', { kind: 'base' }],
    ['/v2', { kind: 'base' }],
    ['/v2/_catalog', { kind: 'catalog' }],
    ['/v2/a/tags/list', { kind: 'tags', repository: 'a' }],
    ['/v2/a/b/manifests/v1', { kind: 'manifest', repository: 'a/b', reference: { tag: 'v1' } }],
    [`/v2/a/manifests/sha256:${hex}`, { kind: 'manifest', repository: 'a', reference: { digest: `sha256:${hex}` } }],
    [`/v2/a/manifests/sha256%3A${hex}`, { kind: 'manifest', repository: 'a', reference: { digest: `sha256:${hex}` } }],
    [`/v2/a/blobs/sha256:${hex}`, { kind: 'blob', repository: 'a', digest: `sha256:${hex}` }],
    ['/v2/a/blobs/uploads/', { kind: 'uploads', repository: 'a' }],
    ['/v2/a/blobs/uploads', { kind: 'uploads', repository: 'a' }],
    [`/v2/a/blobs/uploads/${id}`, { kind: 'upload', repository: 'a', id }],
    [`/v2/a/referrers/sha256:${hex}`, { kind: 'referrers', repository: 'a', digest: `sha256:${hex}` }],
    [
      '/v2/manifests/manifests/manifests',
      { kind: 'manifest', repository: 'manifests', reference: { tag: 'manifests' } },
    ],
    ['/v2/blobs/uploads/tags/list', { kind: 'tags', repository: 'blobs/uploads' }],
    [`/v2/x/blobs/uploads/blobs/uploads/${id}`, { kind: 'upload', repository: 'x/blobs/uploads', id }],
    ['/v2/tags/list/manifests/list', { kind: 'manifest', repository: 'tags/list', reference: { tag: 'list' } }],
    ['/v1/a/tags/list', undefined],
    ['/v2/a/unknown/x', undefined],
    ['/v2/a', undefined],
    ['/v2/a/blobs/uploads/../../x', undefined],
  ];
  for (const [path, route] of cases) {
    test(`${path} is ${JSON.stringify(route)?.slice(0, 60)}`, () => assert.deepEqual(parseRoute(path), route));
  }

  const refused: readonly [string, string][] = [
    ['/v2/A/tags/list', 'NAME_INVALID'],
    ['/v2/a%2fb/tags/list', 'NAME_INVALID'],
    ['/v2/a/../b/tags/list', 'NAME_INVALID'],
    ['/v2/%2e%2e/tags/list', 'NAME_INVALID'],
    ['/v2//manifests/x', 'NAME_INVALID'],
    [`/v2/${'a'.repeat(256)}/tags/list`, 'NAME_INVALID'],
    ['/v2/a/manifests/sha256:baddigest', 'DIGEST_INVALID'],
    ['/v2/a/manifests/md5:abc', 'DIGEST_INVALID'],
    ['/v2/a/manifests/.x', 'MANIFEST_INVALID'],
    ['/v2/a/manifests/%2e%2e', 'MANIFEST_INVALID'],
    ['/v2/a/manifests/x%2Fy', 'MANIFEST_INVALID'],
    ['/v2/a/manifests/%00', 'MANIFEST_INVALID'],
    ['/v2/a/manifests/%ff', 'MANIFEST_INVALID'],
    ['/v2/a/manifests/%2561', 'MANIFEST_INVALID'],
    [`/v2/a/blobs/sha256:${'A'.repeat(64)}`, 'DIGEST_INVALID'],
    ['/v2/a/referrers/latest', 'DIGEST_INVALID'],
    ['/v2/a/blobs/uploads/not-a-uuid', 'BLOB_UPLOAD_UNKNOWN'],
  ];
  for (const [path, expected] of refused) {
    test(`${path.slice(0, 60)} is refused as ${expected}`, () =>
      assert.equal(
        code(() => parseRoute(path)),
        expected,
      ));
  }

  test('any name and tag that follow the grammar come back as they went in', () => {
    const segment = fc.stringMatching(/^[a-z0-9]+([._-][a-z0-9]+){0,2}$/).filter((text) => text.length < 20);
    const word = fc.constantFrom('manifests', 'blobs', 'uploads', 'tags', 'list', 'referrers');
    const name = fc.array(fc.oneof(segment, word), { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));
    const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,40}$/);
    fc.assert(
      fc.property(name, tag, (repository, text) => {
        assert.deepEqual(parseRoute(`/v2/${repository}/manifests/${text}`), {
          kind: 'manifest',
          repository,
          reference: { tag: text },
        });
        assert.deepEqual(parseRoute(`/v2/${repository}/blobs/uploads/${id}`), { kind: 'upload', repository, id });
      }),
    );
  });

  test('any text at all is a route, no route, or a refusal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        code(() => parseRoute(`/v2/${text}`));
      }),
      { numRuns: 2000 },
    );
  });
});
