/** A file that is read in pieces gives the images, or the error, that it gives when it is read in order. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { type ReadOptions, readImages } from '../../../src/cli/retention/images-file.ts';
import { type Piece, PieceReader } from '../../../src/cli/retention/piece-reader.ts';
import { type Pieces, readPieces, spansOf } from '../../../src/cli/retention/pieces.ts';
import { ImageTable } from '../../../src/domain/retention/table.ts';

const folder = mkdtempSync(join(tmpdir(), 'ne-pieces-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'images.json');

/** How many pieces were read, and how many were taken whose beginning was guessed. */
const seen = { pieces: 0, taken: 0 };

/** The same as with threads, without their start. */
async function* inThisThread({ fd, separator, ...cut }: Pieces): AsyncGenerator<Piece> {
  const reader = new PieceReader((room, position) => readSync(fd, room, 0, room.length, position), separator);
  let isFirst = true;
  for (const span of spansOf(cut)) {
    const piece = reader.read(span, isFirst);
    seen.pieces++;
    yield piece;
    if (!isFirst) seen.taken++;
    isFirst = false;
  }
}

async function outcome(options: ReadOptions, path = file): Promise<unknown> {
  const table = new ImageTable({ use: { usedBy: ({ tags }) => tags.find((tag) => tag.includes('1')) } });
  try {
    await readImages(path, table, options);
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  const { children, subjects } = table.relations();
  return Array.from({ length: table.length }, (_, image) => ({
    digest: table.digest(image),
    position: table.positionOf(table.digest(image)),
    tags: table.tags.of(image),
    isTagged: table.tags.has(image),
    pushedAt: table.pushedAt(image),
    pulledAt: table.pulledAt(image),
    size: table.size(image),
    children: [...children.of(image)],
    subjects: [...subjects.of(image)],
    usedBy: table.used.get(image),
  }));
}

const threads = 2;
const inOrder: ReadOptions = { threads: 0 };
const inPieces = { threads, large: 0, pieces: inThisThread };

const hex = (number: number) => number.toString(16).padStart(64, '0');
const digest = fc.oneof(
  { weight: 4, arbitrary: fc.nat(0xffff_ffff).map((number) => `sha256:${hex(number)}`) },
  fc.nat(40).map((number) => `sha256:${hex(number)}`),
  fc.nat(0xffff).map((number) => `sha512:${hex(number).repeat(2)}`),
  fc.constantFrom('a"},{"imageDigest":"b', 'ä', 'x'),
);
const tag = fc.oneof(
  fc.nat(99).map((number) => `v${number}`),
  fc.nat(40).map((number) => `sha256-${hex(number)}.sig`),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '},{', '"},\n{"imageDigest":"', '\\"}, {"imageDigest', 'é', ']}'),
);
const time = fc.oneof(
  fc.nat(2_000_000_000),
  fc.nat(2_000_000_000_000).map((ms) => new Date(ms).toISOString()),
);
/** What looks like images, within an image. */
const lookalike = fc.array(fc.record({ imageDigest: digest, imagePushedAt: time }), { maxLength: 3 });
const image = fc
  .record(
    {
      imageDigest: digest,
      imagePushedAt: time,
      imageTags: fc.array(tag, { maxLength: 3 }),
      lastRecordedPullTime: time,
      imageSizeInBytes: fc.nat(),
      children: fc.array(digest, { maxLength: 2 }),
      subject: digest,
      other: fc.oneof(lookalike, fc.jsonValue({ maxDepth: 3 })),
      list: lookalike,
    },
    { requiredKeys: ['imageDigest', 'imagePushedAt'] },
  )
  .chain((row) =>
    fc.shuffledSubarray(Object.keys(row), { minLength: Object.keys(row).length }).map((keys) => pick(row, keys)),
  );

function pick(row: object, keys: readonly string[]): unknown {
  return Object.fromEntries(keys.map((key) => [key, (row as Record<string, unknown>)[key]]));
}

/** What is JSON, and no image. */
const wrong = fc.constantFrom<unknown>({ imageDigest: 'x' }, { imagePushedAt: 1 }, 7, { subject: [] });

const images = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.array(fc.oneof({ weight: 80, arbitrary: image }, wrong), { minLength: 2, maxLength: 30 }),
  },
  // All alike, as they are in files of machines.
  fc.array(fc.record({ imageDigest: digest, imageTags: fc.array(tag, { maxLength: 3 }), imagePushedAt: time }), {
    minLength: 5,
    maxLength: 40,
  }),
);

const document = fc
  .tuple(images, fc.constantFrom('list', 'object', 'with others'), fc.constantFrom(undefined, 1, 4), fc.boolean())
  .map(([rows, shape, space, areApart]) => {
    const lines = rows.map((row) => JSON.stringify(row, undefined, space));
    // One that is written otherwise than all others.
    const list = `[${lines.map((line, index) => (index === 0 ? line : `,${areApart && index === 9 ? ' ' : '\n'}${line}`)).join('')}]`;
    if (shape === 'list') return list;
    return shape === 'object'
      ? `{"imageDetails":${list}}`
      : `{"a":[{"b":1},{"b":2}],"imageDetails":${list},"c":[{},{}]}`;
  });

const damage = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.nat(3),
  inserted: fc.constantFrom(
    '',
    '}',
    ',',
    ']',
    '{',
    '"',
    '\\',
    '1',
    '9007199254740993',
    'x',
    ' ',
    '},{',
    '\u0001',
    '"a":1,"a":2,',
  ),
});

function damaged(text: string, { at, removed, inserted }: { at: number; removed: number; inserted: string }): string {
  const place = Math.floor(at * text.length);
  return `${text.slice(0, place)}${inserted}${text.slice(place + removed)}`;
}

const text = fc.oneof(
  document,
  fc.tuple(document, damage).map(([whole, how]) => damaged(whole, how)),
  fc
    .tuple(document, fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([whole, part]) => whole.slice(0, part * whole.length)),
);

test('what is read in pieces is what is read in order: the images, or what is wrong and where', async () => {
  const sizes = fc.record({ block: fc.integer({ min: 40, max: 400 }), piece: fc.integer({ min: 8, max: 900 }) });
  await fc.assert(
    fc.asyncProperty(text, sizes, async (content, cut) => {
      writeFileSync(file, content);
      assert.deepEqual(await outcome({ ...inPieces, ...cut }), await outcome(inOrder));
    }),
    { numRuns: 1500 },
  );
  assert.ok(seen.taken > 1500 && seen.taken < seen.pieces - 300, JSON.stringify(seen));
});

const rows = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, index) => ({
    imageDigest: `sha256:${hex(index)}`,
    imageTags: [`v${index}`, `sha256-${hex(index - 1)}.sig`].slice(0, index % 3),
    imagePushedAt: index,
    ...more,
  }));
const write = (...lists: readonly object[][]) => writeFileSync(file, JSON.stringify({ imageDetails: lists.flat() }));

/** Threads read pieces, of which so many bytes are taken at most. */
const withThreads = { threads, large: 0, piece: 100_000 };

test('threads read the pieces', async () => {
  write(rows(20_000));
  const read = (await outcome(withThreads)) as unknown[];
  assert.equal(read.length, 20_000);
  assert.deepEqual(read, await outcome(inOrder));
});

test('what is wrong in a large file is told as in a small one', async () => {
  const much = rows(9000);
  const wrongs: [object[], RegExp][] = [
    [rows(1), /the image sha256:0+ stands twice in the list/],
    [[{ imageDigest: 'x', imagePushedAt: 1, imageTags: ['x'.repeat(300_000)] }], /a tag has 300000 bytes/],
    [[{ imageDigest: 'x', imagePushedAt: 1, other: 'x'.repeat(17_000_000) }], /an entry of more than 16 MiB/],
    [[{ imageDigest: 'x' }], /imageDetails\[9000\]\.imagePushedAt: is missing/],
  ];
  for (const [wrong, message] of wrongs) {
    // Whatever else is wrong comes later.
    write(much, wrong, rows(1), [{}]);
    const found = await outcome(withThreads);
    assert.match(String(found), message);
    assert.equal(found, await outcome(inOrder));
  }
});

test('an entry of more than a piece is read in order, and so is what follows', async () => {
  write(rows(6000), [{ imageDigest: 'x', imagePushedAt: 1, other: 'x'.repeat(300_000) }], rows(9000).slice(6000));
  assert.deepEqual(await outcome(withThreads), await outcome(inOrder));
});

test('a pipe is read as a file is', async () => {
  write(rows(6000));
  const expected = await outcome(inOrder);
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const written = once(spawn('sh', ['-c', `cat ${file} > ${pipe}`]), 'close');
  assert.deepEqual(await outcome(withThreads, pipe), expected);
  await written;
});

test('a thread that cannot read says so, and none is left', async () => {
  const separator = Buffer.from('},{"imageDigest"');
  const pieces = readPieces({ fd: 1_000_000, from: 0, size: 1_000_000, piece: 1000, threads, separator });
  await assert.rejects(Array.fromAsync(pieces), { code: 'EBADF' });
});

test('an interruption ends the threads', async () => {
  write(rows(20_000));
  const controller = new AbortController();
  const reason = new Error('interrupted');
  let taken = 0;
  const sink = {
    add: () => undefined,
    addAll: () => {
      taken++;
      controller.abort(reason);
    },
  };
  await assert.rejects(readImages(file, sink, { ...withThreads, signal: controller.signal }), reason);
  assert.equal(taken, 1);
});
