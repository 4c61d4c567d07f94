import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { contentSizeOf, InvalidManifest, readManifest } from '../../../src/domain/oci/manifest.ts';

const image = 'application/vnd.oci.image.manifest.v1+json';
const index = 'application/vnd.oci.image.index.v1+json';
const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const blob = (letter: string, mediaType = 'application/octet-stream') => ({
  mediaType,
  digest: digest(letter),
  size: 3,
});
const read = (body: unknown, type: string | undefined = image) =>
  readManifest(new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)), type);
const anImage = {
  schemaVersion: 2,
  mediaType: image,
  config: blob('a', 'application/vnd.example+json'),
  layers: [blob('b')],
};

describe('a manifest', () => {
  test('names its config, layers, subject and annotations', () => {
    const manifest = read({ ...anImage, subject: blob('c', image), annotations: { k: 'v' } });
    assert.equal(manifest.kind, 'image');
    assert.equal(manifest.config?.digest, digest('a'));
    assert.deepEqual(
      manifest.layers.map((layer) => layer.digest),
      [digest('b')],
    );
    assert.equal(manifest.subject?.digest, digest('c'));
    assert.deepEqual(manifest.annotations, { k: 'v' });
  });

  test('falls back to the config media type as its artifact type, which an index never does', () => {
    assert.equal(read(anImage).artifactType, 'application/vnd.example+json');
    assert.equal(read({ ...anImage, artifactType: 'x/y' }).artifactType, 'x/y');
    assert.equal(read({ schemaVersion: 2, manifests: [] }, index).artifactType, undefined);
  });

  test('may be an empty index, have no layers, list null, and carry unknown fields and data', () => {
    assert.deepEqual(read({ schemaVersion: 2, manifests: [] }, index).children, []);
    assert.deepEqual(read({ ...anImage, layers: [] }).layers, []);
    assert.deepEqual(read({ ...anImage, layers: null }).layers, []);
    assert.equal(read({ ...anImage, extra: { deep: [1] }, config: { ...anImage.config, data: 'e30=' } }).kind, 'image');
  });

  test('is as large as itself, its config and its layers, each once; an index is as large as itself', () => {
    const layers = [blob('b'), blob('b'), { ...blob('c'), size: 40 }];
    assert.equal(contentSizeOf(read({ ...anImage, layers }), 500), 546);
    assert.equal(contentSizeOf(read({ schemaVersion: 2, manifests: [blob('d', image)] }, index), 500), 500);
    const huge = [blob('b'), blob('c')].map((layer) => ({ ...layer, size: Number.MAX_SAFE_INTEGER }));
    assert.equal(contentSizeOf(read({ ...anImage, layers: huge }), 500), Number.MAX_SAFE_INTEGER);
  });

  test('takes its type from the body where no Content-Type came', () => {
    assert.equal(readManifest(new TextEncoder().encode(JSON.stringify(anImage)), undefined).mediaType, image);
  });

  const refused: readonly [string, unknown, string?][] = [
    ['is not JSON', '{'],
    ['is an array', []],
    ['has layers and manifests at once', { ...anImage, manifests: [] }],
    ['is an index with layers', { schemaVersion: 2, manifests: [], layers: [] }, index],
    ['says another media type than its Content-Type', { ...anImage, mediaType: index }],
    ['is of a type that is not stored', { schemaVersion: 2 }, 'application/vnd.docker.distribution.manifest.v1+json'],
    ['is of schema version 1', { ...anImage, schemaVersion: 1 }],
    ['has no config', { schemaVersion: 2, layers: [] }],
    ['has a short digest', { ...anImage, config: { ...blob('a'), digest: 'sha256:abc' } }],
    ['has an upper-case digest', { ...anImage, config: { ...blob('a'), digest: `sha256:${'A'.repeat(64)}` } }],
    ['has a negative size', { ...anImage, layers: [{ ...blob('b'), size: -1 }] }],
    ['has a fractional size', { ...anImage, layers: [{ ...blob('b'), size: 1.5 }] }],
    ['has a size past 2^53', JSON.stringify(anImage).replace('"size":3', '"size":9007199254740993')],
    ['has an annotation that is no string', { ...anImage, annotations: { a: 1 } }],
    ['has a key twice', JSON.stringify(anImage).replace('{', '{"schemaVersion":2,')],
  ];
  for (const [why, body, type] of refused) {
    test(`is refused when it ${why}`, () => {
      assert.throws(() => read(body, type ?? image), InvalidManifest);
    });
  }

  test('of any shape is either read or refused with a message of bounded length, never a crash', () => {
    const field = fc.oneof(fc.jsonValue(), fc.constant(blob('a')), fc.array(fc.constant(blob('b')), { maxLength: 3 }));
    const body = fc.record(
      {
        schemaVersion: fc.constantFrom(2, 1, '2'),
        mediaType: fc.oneof(fc.constant(image), field),
        config: field,
        layers: field,
        subject: field,
        annotations: field,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(body, (value) => {
        try {
          assert.equal(read(value).kind, 'image');
        } catch (error) {
          assert.ok(error instanceof InvalidManifest && error.message.length < 400, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
