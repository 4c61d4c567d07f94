/** JSON and manifests as strangers write them, against oracles that are slow and simple. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidJson, parseStrictJson } from '../../../src/domain/json.ts';
import { isDigest } from '../../../src/domain/oci/digest.ts';
import { InvalidManifest, readManifest } from '../../../src/domain/oci/manifest.ts';
import { mediaTypes } from '../../../src/domain/oci/media-types.ts';

const runs = { numRuns: 2000 };
const { ociManifest: imageType, ociIndex: indexType } = mediaTypes;

/** The value, or undefined where it was refused; anything else that is thrown fails the test. */
function accepted(input: Uint8Array | string): { value: unknown } | undefined {
  try {
    return { value: parseStrictJson(input) };
  } catch (error) {
    assert.ok(error instanceof InvalidJson, String(error));
    assert.ok(error.message.length < 500, 'the message quotes no more than a little of what a stranger sent');
    return undefined;
  }
}

/** A key as JSON text: as it is, or with one of its characters escaped. */
const key = fc
  .tuple(fc.constantFrom('a', 'b', 'ab', '', '__proto__', 'constructor', '"', '\\', 'é'), fc.boolean())
  .map(([name, escaping]) => {
    const plain = JSON.stringify(name);
    const first = name.charCodeAt(0);
    const escaped = `"\\u${first.toString(16).padStart(4, '0')}${plain.slice(1 + JSON.stringify(name[0] ?? '').length - 2)}`;
    return { name, text: escaping && name !== '' ? escaped : plain };
  });

describe('strict JSON', () => {
  test('refuses an object if, and only if, two of its keys are the same or one is __proto__, however they are written', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 6 }), fc.nat(3), (keys, depth) => {
        const object = `{${keys.map(({ text }) => `${text}:1`).join(' , ')}}`;
        const text = '{"x":['.repeat(depth) + object + ']}'.repeat(depth);
        const names = keys.map(({ name }) => name);
        const fine = new Set(names).size === names.length && !names.includes('__proto__');
        assert.equal(accepted(text) !== undefined, fine, text);
      }),
      runs,
    );
  });

  test('takes a number if, and only if, it is finite and loses no digit as a whole number', () => {
    const digits = fc.stringMatching(/^(0|[1-9][0-9]{0,20})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?$/);
    fc.assert(
      fc.property(digits, fc.boolean(), (literal, negative) => {
        const text = negative ? `-${literal}` : literal;
        const value = Number(text);
        const fine = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
        assert.equal(accepted(`{"n":${text}}`) !== undefined, fine, text);
      }),
      runs,
    );
  });

  test('takes nesting to its bound and not further', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (kinds) => {
        const text =
          kinds.map((list) => (list ? '[' : '{"a":')).join('') +
          '1' +
          kinds
            .map((list) => (list ? ']' : '}'))
            .reverse()
            .join('');
        assert.equal(accepted(text) !== undefined, kinds.length <= 32);
      }),
    );
  });

  test('takes bytes only if they are UTF-8 to the last', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        const quoted = Buffer.concat([
          Buffer.from('"'),
          bytes.filter((byte) => byte >= 0x20 && byte !== 0x22 && byte !== 0x5c),
          Buffer.from('"'),
        ]);
        const same = Buffer.from(quoted.toString('utf8')).equals(quoted);
        assert.equal(accepted(quoted) !== undefined, same, quoted.toString('hex'));
      }),
      runs,
    );
  });
});

const digest = fc.stringMatching(/^sha256:[a-f0-9]{64}$/);
const descriptor = fc.record(
  {
    mediaType: fc.constantFrom(imageType, indexType, 'a/b'),
    digest,
    size: fc.nat(),
    annotations: fc.dictionary(fc.string(), fc.string()),
  },
  { requiredKeys: ['mediaType', 'digest', 'size'] },
);
const image = fc.record(
  {
    schemaVersion: fc.constant(2),
    mediaType: fc.constant(imageType),
    config: descriptor,
    layers: fc.array(descriptor, { maxLength: 4 }),
    subject: descriptor,
    unknown: fc.jsonValue({ maxDepth: 3 }),
  },
  { requiredKeys: ['schemaVersion', 'config', 'layers'] },
);
const index = fc.record(
  {
    schemaVersion: fc.constant(2),
    mediaType: fc.constant(indexType),
    manifests: fc.array(descriptor, { maxLength: 4 }),
    subject: descriptor,
    artifactType: fc.constantFrom('x', 'a/b'),
  },
  { requiredKeys: ['schemaVersion', 'manifests'] },
);
/** Something wrong in one place: another value for one field of the manifest or of one of its descriptors. */
const wrongValue = fc.oneof(
  fc.constantFrom(null, '', 'sha256:', -1, 1.5, 2 ** 60, [], {}, true, [null], 'x'.repeat(300)),
  fc.jsonValue({ maxDepth: 2 }),
);

function withWrong(
  body: object,
  { field, within, value }: { field: string; within: string | null; value: unknown },
): Record<string, unknown> {
  const broken: Record<string, unknown> = { ...body };
  const target = broken[field];
  const inside = typeof target === 'object' && target !== null && !Array.isArray(target) && within !== null;
  broken[field] = inside ? { ...target, [within]: value } : value;
  return broken;
}

function read(body: unknown, type: string) {
  try {
    return readManifest(Buffer.from(JSON.stringify(body)), type);
  } catch (error) {
    assert.ok(error instanceof InvalidManifest, String(error));
    assert.ok(error.message.length < 500);
    return undefined;
  }
}

describe('a manifest', () => {
  test('gives exactly the references that are in it', () => {
    const harmless = image.filter((body) => !/__proto__|\d{16,}|e\+/.test(JSON.stringify(body)));
    fc.assert(
      fc.property(harmless, (body) => {
        const found = read(body, imageType);
        assert.deepEqual(
          found?.layers.map((layer) => layer.digest),
          body.layers.map((layer) => layer.digest),
        );
        assert.equal(found?.config?.digest, body.config?.digest);
        assert.equal(found?.subject?.digest, body.subject?.digest);
        assert.equal(found?.artifactType, body.config?.mediaType);
      }),
    );
    fc.assert(
      fc.property(index, (body) => {
        fc.pre(!JSON.stringify(body).includes('__proto__'));
        const found = read(body, indexType);
        assert.deepEqual(
          found?.children.map((child) => child.digest),
          body.manifests?.map((child) => child.digest),
        );
        assert.equal(found?.artifactType, body.artifactType);
      }),
    );
  });

  test('with anything wrong anywhere is refused by name, or what it gives is still well-formed', () => {
    const field = fc.constantFrom(
      'schemaVersion',
      'mediaType',
      'config',
      'layers',
      'manifests',
      'subject',
      'annotations',
      'artifactType',
      'fsLayers',
    );
    const inner = fc.constantFrom('mediaType', 'digest', 'size', 'annotations', 'artifactType', 'platform');
    fc.assert(
      fc.property(fc.oneof(image, index), field, fc.option(inner), wrongValue, (body, outer, within, value) => {
        const found = read(
          withWrong(body, { field: outer, within, value }),
          'manifests' in body ? indexType : imageType,
        );
        for (const one of [found?.config, found?.subject, ...(found?.layers ?? []), ...(found?.children ?? [])]) {
          if (one === undefined) continue;
          assert.ok(isDigest(one.digest) && Number.isSafeInteger(one.size) && one.size >= 0);
          assert.ok(one.mediaType.length <= 255 && (one.artifactType ?? '').length <= 255);
        }
      }),
      runs,
    );
  });

  test('with bytes changed, cut or doubled is a manifest or refused', () => {
    fc.assert(
      fc.property(
        image,
        fc.nat(),
        fc.nat(255),
        fc.constantFrom('change', 'cut', 'double'),
        (body, where, byte, how) => {
          const bytes = Buffer.from(JSON.stringify(body));
          const at = where % bytes.length;
          if (how === 'change') bytes[at] = byte;
          const sent =
            how === 'cut'
              ? bytes.subarray(0, at)
              : how === 'double'
                ? Buffer.concat([bytes, bytes.subarray(at)])
                : bytes;
          try {
            readManifest(sent, imageType);
          } catch (error) {
            assert.ok(error instanceof InvalidManifest, String(error));
          }
        },
      ),
      runs,
    );
  });
});
