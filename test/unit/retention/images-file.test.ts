/** A list of images of any size is read piece by piece, and refused as a whole where it is not exactly JSON. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { UsageFailure } from '../../../src/cli/failure.ts';
import { readImages } from '../../../src/cli/retention/images-file.ts';
import { JsonCursor, needMore } from '../../../src/cli/retention/json-cursor.ts';
import { InvalidJson, parseStrictJson } from '../../../src/domain/json.ts';
import type { EncodedImage, Image } from '../../../src/domain/retention/image.ts';

const folder = mkdtempSync(join(tmpdir(), 'ne-images-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function read(content: string | Uint8Array): Promise<Image[]> {
  const file = join(folder, 'images.json');
  writeFileSync(file, content);
  const images: Image[] = [];
  await readImages(file, { add: (image) => images.push(decoded(image as EncodedImage)), addAll: () => assert.fail() });
  return images;
}

function decoded({ digest, tags, pushedAt, pulledAt, size, children, subject }: EncodedImage): Image {
  return {
    digest: typeof digest === 'string' ? digest : `sha256:${Buffer.from(digest).toString('hex')}`,
    tags: Array.from({ length: tags.length }, (_, tag) => tags.at(tag)),
    pushedAt,
    size: size ?? 0,
    ...(pulledAt !== undefined && { pulledAt }),
    ...(children.length > 0 && { children }),
    ...(subject !== undefined && { subject }),
  };
}

const digest = (hex: string) => `sha256:${hex.repeat(64)}`;
const entry = `{"imageDigest": "${digest('a')}", "imagePushedAt": 1.5}`;

test('what describe-images prints is read, with what it has beside it', async () => {
  const scan = { findingSeverityCounts: { HIGH: 2 }, list: [[], {}, null, true, false, -1.5e3, 'a\\"é\n'] };
  const details = [
    { registryId: '1', imageDigest: digest('a'), imageTags: ['v1', 'é"\\'], imagePushedAt: 1.5, scan, subject: null },
    {
      imageDigest: digest('b'),
      imagePushedAt: '2026-11-22T01:00:00.5+01:00',
      lastRecordedPullTime: '2026-11-22T00:00:00Z',
      imageSizeInBytes: 7,
      children: [digest('c')],
      subject: digest('d'),
    },
  ];
  const midnight = Date.parse('2026-11-22T00:00:00Z');
  const expected = [
    { digest: digest('a'), tags: ['v1', 'é"\\'], pushedAt: 1500, size: 0 },
    {
      digest: digest('b'),
      tags: [],
      pushedAt: midnight + 500,
      size: 7,
      pulledAt: midnight,
      children: [digest('c')],
      subject: digest('d'),
    },
  ];
  for (const document of [{ nextToken: 'x', imageDetails: details, more: { a: 1 } }, details])
    for (const space of [undefined, 4]) {
      assert.deepEqual(await read(JSON.stringify(document, undefined, space)), expected);
      assert.deepEqual(await read(`\r\n\t${JSON.stringify(document, undefined, space)} \n`), expected);
    }
  assert.deepEqual(await read('{"imageDetails": []}'), []);
  assert.deepEqual(await read('[ ]'), []);
});

test('a file of many chunks, and an entry of more than one', async () => {
  const tags = Array.from({ length: 150_000 }, (_, index) => `tag-number-${index}`);
  const details = Array.from({ length: 20_000 }, (_, index) => ({
    imageDigest: `sha256:${index.toString(16).padStart(64, '0')}`,
    imageTags: index === 9000 ? tags : [`v${index}`],
    imagePushedAt: index,
  }));
  const images = await read(JSON.stringify({ imageDetails: details }, undefined, 4));
  assert.equal(images.length, 20_000);
  assert.ok(images.every((image, index) => image.pushedAt === index * 1000 && image.tags.at(-1) !== undefined));
  assert.deepEqual(images[9000]?.tags, tags);
});

test('what is not exactly JSON is refused, with the file and the place', async () => {
  const texts: [string | Uint8Array, RegExp][] = [
    [`[${entry},]`, /images\.json: imageDetails\[1\]: must be an object/],
    [`[${entry}`, /not valid JSON: the text ends too early at byte 113/],
    ['', /not valid JSON: the text ends too early at byte 0/],
    [`[${entry}] x`, /something stands after the end/],
    [`[${entry}]]`, /something stands after the end/],
    [`{"imageDetails":[${entry}],}`, /not valid JSON: " is expected/],
    [`{"imageDetails":[${entry}],"imageDetails":[]}`, /"imageDetails" stands twice/],
    [`{"a":1,"a":2,"imageDetails":[]}`, /the key "a" stands twice/],
    [`[{"imageDigest":"x","imagePushedAt":1,"imageDigest":"y"}]`, /the key "imageDigest" stands twice/],
    [`[{"imageDigest":"x","imagePushedAt":1,"image\\u0044igest":"y"}]`, /the key "imageDigest" stands twice/],
    [`[{"imageDigest":"x","imagePushedAt":1,"scan":{"a":1,"a":2}}]`, /the key "a" stands twice/],
    [`[{"imageDigest":"x","imagePushedAt":1,}]`, /" is expected/],
    [`[{"imageDigest":"x","imagePushedAt":1e999}]`, /a number is too large/],
    [`[{"imageDigest":"x","imagePushedAt":1,"n":9007199254740993}]`, /past 2\^53/],
    [`[{"imageDigest":"x","imagePushedAt":01}]`, /a value is expected/],
    [`[{"imageDigest":"x","imagePushedAt":1,"n":nul}]`, /a value is expected/],
    [`[{"imageDigest":"x\ny","imagePushedAt":1}]`, /a string has a control character/],
    [`[{"imageDigest":"\\x","imagePushedAt":1}]`, /an escape that does not exist/],
    [Buffer.from([0x5b, 0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d, 0x5d]), /a string is not UTF-8/],
    [`\ufeff[${entry}]`, /not valid JSON/],
    [`[{"n":${'['.repeat(40)}`, /nested deeper than 32 levels/],
    ['{"images":[]}', /needs the list imageDetails/],
    ['{"imageDetails":{}}', /needs the list imageDetails/],
    ['7', /not valid JSON/],
  ];
  for (const [text, message] of texts)
    await assert.rejects(
      read(text),
      (error: Error) => error instanceof UsageFailure && message.test(error.message),
      `${text}`,
    );
});

test('an entry without an end is given up, and not held', async () => {
  await assert.rejects(read(`[{"imageTags":["${'x'.repeat(20 * 1024 * 1024)}`), /an entry of more than 16 MiB/);
});

test('a field that is wrong is named, with the image', async () => {
  const fields: [string, RegExp][] = [
    ['"imageDigest":1', /imageDetails\[1\]\.imageDigest: must be a digest/],
    ['"imageDigest":null', /imageDetails\[1\]\.imageDigest: must be a digest/],
    ['"imageTags":"v1"', /imageDetails\[1\]\.imageTags: must be a list of texts/],
    ['"imageTags":[1]', /imageDetails\[1\]\.imageTags: must be a list of texts/],
    ['"children":[null]', /imageDetails\[1\]\.children: must be a list of texts/],
    ['"imageSizeInBytes":-1', /imageDetails\[1\]\.imageSizeInBytes: must be a number of bytes/],
    ['"imageSizeInBytes":"1"', /imageDetails\[1\]\.imageSizeInBytes: must be a number of bytes/],
    ['"lastRecordedPullTime":[]', /imageDetails\[1\]\.lastRecordedPullTime: must be a time/],
    ['"lastRecordedPullTime":"22.11.2026"', /imageDetails\[1\]\.lastRecordedPullTime: must be a time/],
    ['"subject":{}', /imageDetails\[1\]\.subject: must be a digest/],
  ];
  for (const [field, message] of fields) await assert.rejects(read(`[${entry},{${field}}]`), message);
  await assert.rejects(read(`[${entry},{"imageDigest":"x"}]`), /imageDetails\[1\]\.imagePushedAt: is missing/);
});

/** Reads any value by trying again from its beginning with more of the text, a few bytes at a time. */
async function pass(text: string, piece: number): Promise<void> {
  const cursor = new JsonCursor();
  const bytes = Buffer.from(text);
  for (let given = 0; ; ) {
    try {
      cursor.goBack(0);
      cursor.pass();
      if (cursor.isAtEnd()) return;
      throw cursor.wrong('more');
    } catch (error) {
      if (error !== needMore) throw error;
    }
    cursor.goBack(0);
    await cursor.more(async (room) => {
      const some = bytes.subarray(given, given + piece);
      given += some.length;
      return some.copy(room);
    });
  }
}

test('any text is taken or refused as the strict reader takes or refuses it, wherever it is cut', async () => {
  const value = fc.jsonValue({ maxDepth: 4 }).map((json) => JSON.stringify(json));
  const broken = fc
    .tuple(
      value,
      fc.nat(30),
      fc.constantFrom(',', '"', '}', '{', '[', ']', '\\', '1', 'e', '-', ':', ' ', '\u0001', 'é'),
    )
    .map(([text, at, inserted]) => `${text.slice(0, at)}${inserted}${text.slice(at)}`);
  await fc.assert(
    fc.asyncProperty(fc.oneof(value, broken), fc.integer({ min: 1, max: 9 }), async (text, piece) => {
      const expected = outcomeOf(() => parseStrictJson(text));
      const found = await pass(text, piece).then(
        () => 'taken',
        (error: unknown) => outcomeOf(() => raise(error)),
      );
      // The strict reader refuses one key more, which harms only who makes objects of keys.
      if (!text.includes('__proto__')) assert.equal(found, expected);
    }),
    { numRuns: 2000 },
  );
});

function raise(error: unknown): never {
  throw error;
}

function outcomeOf(work: () => unknown): 'taken' | 'refused' {
  try {
    work();
    return 'taken';
  } catch (error) {
    assert.ok(error instanceof InvalidJson, String(error));
    return 'refused';
  }
}
