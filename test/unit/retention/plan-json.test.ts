/** What the CLI writes as bytes is what `JSON.stringify` makes of the same, and times read from bytes are those that `Date` finds. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../../src/cli/retention/byte-writer.ts';
import { PlanJson } from '../../../src/cli/retention/plan-json.ts';
import { parseTime } from '../../../src/cli/retention/time.ts';
import { timeInBytes } from '../../../src/cli/retention/time-in-bytes.ts';
import { type Plan, planTable, useOf } from '../../../src/domain/retention/plan.ts';
import { readRules } from '../../../src/domain/retention/read-rules.ts';
import { ImageTable } from '../../../src/domain/retention/table.ts';

const day = 86_400_000;
const now = 1000 * day;
const days = { countType: 'sinceImagePushed', countUnit: 'days', countNumber: 5 };
const rules = readRules(
  [
    { ...days, tagStatus: 'untagged' },
    { tagStatus: 'tagged', tagPatternList: ['v*'], countType: 'imageCountMoreThan', countNumber: 2 },
  ].map((selection, index) => ({ rulePriority: index + 1, selection, action: { type: 'expire' } })),
);

async function written(table: ImageTable, plan: Plan): Promise<string> {
  const pieces: Buffer[] = [];
  const stream = new Writable({
    write: (piece: Buffer, _encoding, done) => {
      pieces.push(Buffer.from(piece));
      done();
    },
  });
  const writer = new ByteWriter(stream);
  const json = new PlanJson(table, plan, writer);
  json.begin();
  for (let image = 0; image < table.length; image++) {
    json.add(image);
    if (writer.isFull) await writer.flush();
  }
  json.end();
  await writer.flush();
  return Buffer.concat(pieces).toString();
}

function expected(table: ImageTable, plan: Plan): string {
  const lines = Array.from({ length: table.length }, (_, image) => {
    const { action, rulePriority: appliedRulePriority, reason } = plan.decision(image);
    const imageTags = table.tags.of(image);
    return JSON.stringify({ imageDigest: table.digest(image), imageTags, action, appliedRulePriority, reason });
  });
  const summary = JSON.stringify({ expiringImageTotalCount: plan.expiring });
  return `{"images":[\n${lines.map((line) => `${line}`).join(',\n')}${lines.length > 0 ? '\n' : ''}],"summary":${summary}}\n`;
}

const texts = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('v1', 'v"2', 'v\\', 'v\n', 'é', 'v\u007f'),
);
const hex = fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: 64, maxLength: 64 });
const images = fc.uniqueArray(
  fc.record({
    digest: fc.oneof(
      hex.map((digits) => `sha256:${digits.join('')}`),
      texts.filter((text) => text.isWellFormed()),
    ),
    tags: fc.array(texts),
    pushedAt: fc.integer({ min: 0, max: now }),
  }),
  { selector: ({ digest }) => digest, maxLength: 20 },
);

test('a plan is written as JSON.stringify would write it', async () => {
  await fc.assert(
    fc.asyncProperty(images, fc.nat(19), async (rows, used) => {
      const pins = new Map(rows.slice(used, used + 3).map(({ digest }) => [digest, `Pod "${digest}"`]));
      const table = new ImageTable({ use: useOf(pins) });
      for (const row of rows) table.add(row);
      const plan = planTable(table, { policy: { rules }, now });
      assert.equal(await written(table, plan), expected(table, plan));
    }),
  );
});

test('a piece may be larger than what is written at once, and decisions more than are kept', async () => {
  const table = new ImageTable({ use: { usedBy: ({ digest }) => `Pod ${digest}` } });
  for (let image = 0; image < 1000; image++)
    table.add({
      digest: `sha256:${image.toString(16).padStart(64, '0')}`,
      tags: Array.from({ length: image === 500 ? 100_000 : 2 }, (_, tag) => `v${image}-${tag}`),
      pushedAt: image,
    });
  const plan = planTable(table, { policy: { rules }, now });
  assert.equal(await written(table, plan), expected(table, plan));
});

const pad = (digits: number) => (value: number) => value.toString().padStart(digits, '0');
const time = fc
  .tuple(
    fc.oneof(fc.integer({ min: 1590, max: 2410 }), fc.nat(9999)).map(pad(4)),
    fc.nat(13).map(pad(2)),
    fc.nat(33).map(pad(2)),
    fc.constantFrom('T', 'T', 'T', ' ', 't'),
    fc.nat(25).map(pad(2)),
    fc.nat(61).map(pad(2)),
    fc.nat(61).map(pad(2)),
    fc.oneof(
      fc.constantFrom('', '.'),
      fc.nat(999_999_999).map((digits) => `.${digits}`),
    ),
    fc.oneof(
      fc.constantFrom('Z', 'Z', 'z', '', '+0100'),
      fc
        .tuple(fc.constantFrom('+', '-'), fc.nat(25).map(pad(2)), fc.nat(61).map(pad(2)))
        .map(([sign, hours, minutes]) => `${sign}${hours}:${minutes}`),
    ),
  )
  .map(
    ([year, month, dayOfMonth, between, hours, minutes, seconds, fraction, zone]) =>
      `${year}-${month}-${dayOfMonth}${between}${hours}:${minutes}:${seconds}${fraction}${zone}`,
  );

test('a time in bytes is the one that Date finds, or none is found', () => {
  let found = 0;
  fc.assert(
    fc.property(time, fc.constantFrom('', '0', ' ', 'Z'), (text, more) => {
      const bytes = Buffer.from(`"${text}${more}"`);
      const result = timeInBytes(bytes, 1, bytes.length - 1);
      if (Number.isNaN(result)) return;
      found++;
      assert.equal(result, parseTime(`${text}${more}`), text);
    }),
    { numRuns: 20_000 },
  );
  assert.ok(found > 500, `${found} were found`);
});

test('the forms that registries write are found in bytes', () => {
  for (const text of [
    '2026-11-22T01:00:00Z',
    '2026-11-22T01:00:00.123Z',
    '2021-08-05T16:30:21.123456-04:00',
    '1999-12-31T23:59:59.9+05:30',
    '2024-02-28T00:00:00.000000000Z',
    '2000-03-01T00:00:00Z',
  ])
    assert.equal(timeInBytes(Buffer.from(text), 0, text.length), Date.parse(text), text);
});
