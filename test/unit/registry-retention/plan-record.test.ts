import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isWhole, PlanWriter, planImages, planText } from '../../../src/registry/retention/plan-record.ts';
import { FolderRecords } from '../../../src/registry/storage/filesystem/records.ts';

const folder = mkdtempSync(join(tmpdir(), 'ne-plan-record-'));
const records = new FolderRecords(folder);
after(() => rmSync(folder, { recursive: true, force: true }));

const image = (repository: string, number: number) => ({
  repository,
  digest: `sha256:${String(number).padStart(64, '0')}`,
});

async function written(name: string, images: readonly ReturnType<typeof image>[]) {
  const writer = new PlanWriter(async () => records, name);
  for (let at = 0; at < images.length; at += 200) await writer.write(images.slice(at, at + 200));
  return writer.finish();
}

test('what was written is read again, in its order, each piece of one repository', async () => {
  const images = [0, 1, 2].flatMap((number) => Array.from({ length: 1500 }, (_, index) => image(`r${number}`, index)));
  const stored = await written('p/whole.zst', images);
  const read = [];
  const text = await planText(records, stored?.record ?? '');
  assert.ok(text);
  for await (const piece of planImages(text)) {
    assert.ok(piece.images.every(({ repository }) => repository === piece.repository));
    assert.ok(piece.images.length <= 1000);
    read.push(...piece.images);
  }
  assert.deepEqual(read, images);
});

test('a record that is not what was written is found out', async () => {
  const stored = await written('p/changed.zst', [image('a', 1)]);
  const whole = async (sum = stored?.sum) => {
    const text = await planText(records, 'p/changed.zst');
    assert.ok(text);
    return isWhole(text, sum).catch(() => false);
  };
  assert.equal(await whole(), true);
  assert.equal(await whole('another'), false);
  writeFileSync(join(folder, 'p/changed.zst'), 'nonsense');
  assert.equal(await whole(), false);
});

test('a plan that is given up leaves nothing behind, and breaks nothing', async () => {
  const untouched = new PlanWriter(async () => records, 'given-up/a.zst');
  await untouched.abandon();
  const begun = new PlanWriter(async () => records, 'given-up/b.zst');
  await begun.write([image('a', 1)]);
  await begun.abandon();
  const failing = new PlanWriter(() => Promise.reject(new Error('no space')), 'given-up/c.zst');
  await failing.write([image('a', 1)]);
  await assert.rejects(failing.finish(), /no space/);
  // A destroyed stream tells of its error in a turn of its own.
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(
    readdirSync(folder, { recursive: true }).filter((name) => String(name).startsWith('given-up/')),
    [],
  );
});

test('nothing to expire is nothing to keep', async () => {
  assert.equal(await written('p/none.zst', []), undefined);
  assert.equal(await planText(records, 'p/none.zst'), undefined);
});
