/** Snapshots by schedule: what is kept holds its bytes, what is not lets them go, and a crash in between does no harm. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BackupParts, type BackupPlan, BackupWorker } from '../../src/registry/recovery/backup-worker.ts';
import { surveySnapshots } from '../../src/registry/recovery/names.ts';
import { isComplete } from '../../src/registry/recovery/restore/report.ts';
import { prepareRestore } from '../../src/registry/recovery/restore/restore.ts';
import { takeSnapshot, tidySnapshots } from '../../src/registry/recovery/snapshots.ts';
import { type House, imageOf, openHouse, type Step, write } from './recovery-history.ts';

const log = { warn: () => undefined };
const HOUR = 3_600_000;
const image = { repository: 'm/a', layer: 0, note: 0 };

async function withImage(work: (house: House, now: number) => Promise<void>): Promise<void> {
  const house = await openHouse();
  const now = Date.now();
  const steps: Step[] = [
    { do: 'push', ...image },
    { do: 'put', ...image, tags: ['x'] },
  ];
  try {
    for (const step of steps) if ('repository' in step) await write(house, step, now - HOUR);
    await work(house, now);
  } finally {
    await house.close();
  }
}

/** Deletes the image and reclaims for a day; the bytes that went. */
async function reclaim({ metadata, blobs }: House, now: number): Promise<number> {
  const [day, limit] = [now + 24 * HOUR, 100];
  await metadata.condemnBlobs({ before: day - HOUR, now: day, limit });
  await metadata.dropCondemned({ condemnedBefore: day, before: day - HOUR, now: day, limit });
  const due = await metadata.dueRemovals(day + HOUR, limit);
  for (const { key } of due) await blobs.remove(key);
  await metadata.forgetRemovals(due.map(({ key }) => key));
  return due.length;
}

async function restorable({ journal, target, blobs }: House): Promise<boolean> {
  const [newest] = (await surveySnapshots(target)).reverse();
  assert.ok(newest);
  const exactly = { ...newest, open: () => target.get(newest.name) };
  const { rows, report } = await prepareRestore({ journal, blobs, exactly });
  assert.ok((await Array.fromAsync(rows)).some((row) => row.row === 'tag' && row.name === 'x'));
  return isComplete(report);
}

test('reclaim keeps what a kept snapshot names, and takes it when the snapshot is dropped', async () => {
  await withImage(async (house, now) => {
    const { metadata, target } = house;
    await takeSnapshot({ metadata, target }, 1);
    await metadata.deleteManifest('m/a', imageOf(0, 0).digest, { name: 'x', now: now + 1000 });
    assert.equal(await reclaim(house, now), 0);
    assert.equal(await restorable(house), true);
    const [snapshot] = await metadata.snapshots();
    await target.remove(snapshot?.name ?? '');
    // As after a crash between object and row.
    await tidySnapshots({ metadata, target, log }, 5);
    assert.deepEqual(await metadata.snapshots(), []);
    assert.equal(await reclaim(house, now), 1);
  });
});

test('without a snapshot the bytes go', async () => {
  await withImage(async (house, now) => {
    await house.metadata.deleteManifest('m/a', imageOf(0, 0).digest, { name: 'x', now: now + 1000 });
    assert.equal(await reclaim(house, now), 1);
  });
});

test('only the newest stay, and one that is found without a row is taken in', async () => {
  await withImage(async ({ metadata, target }) => {
    for (let n = 0; n < 4; n++) await takeSnapshot({ metadata, target }, 1);
    const all = (await surveySnapshots(target)).map(({ name }) => name);
    await metadata.dropSnapshot(all[3] ?? '');
    await tidySnapshots({ metadata, target, log }, 2);
    const names = async () => (await metadata.snapshots()).map(({ name }) => name);
    assert.deepEqual(
      [await names(), (await surveySnapshots(target)).map(({ name }) => name)],
      [all.slice(2), all.slice(2)],
    );
  });
});

test('a second place that is not mounted drops no snapshot, and one whose missing ones are few does', async () => {
  await withImage(async (house, now) => {
    const { metadata, target } = house;
    await takeSnapshot({ metadata, target }, 1);
    await takeSnapshot({ metadata, target }, 1);
    await metadata.deleteManifest('m/a', imageOf(0, 0).digest, { name: 'x', now: now + 1000 });
    await takeSnapshot({ metadata, target }, 1);
    const [first, second, last] = await metadata.snapshots();
    assert.ok(first && second && last);
    const warned: string[] = [];
    const warning = { warn: (_: object, message: string) => warned.push(message) };
    const only = (...names: string[]): BackupPlan['target'] =>
      Object.assign(Object.create(target), {
        async *list(prefix: string) {
          for await (const one of target.list(prefix)) if (names.includes(one.name)) yield one;
        },
      });
    await tidySnapshots({ metadata, target: only(last.name), log: warning }, 1);
    assert.equal((await metadata.snapshots()).length, 3);
    assert.equal(warned.length, 1);
    assert.equal(await reclaim(house, now), 0);
    await tidySnapshots({ metadata, target: only(second.name, last.name), log: warning }, 5);
    assert.deepEqual(await metadata.snapshots(), [second, last]);
    assert.equal(warned.length, 1);
  });
});

function worker(house: House, more: Partial<BackupParts> & { failures?: number[] }): BackupWorker {
  return new BackupWorker({
    metadata: house.metadata,
    plan: async () => undefined,
    epoch: () => 1,
    worker: 'w',
    log: { info: () => undefined, warn: () => undefined },
    onFailure: () => more.failures?.push(1),
    now: Date.now,
    ...more,
  });
}

async function until(what: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await what()); tries++) {
    assert.ok(tries < 1200, 'it did not happen');
    await sleep(50);
  }
}

test('a snapshot that is due is taken, a failure is counted, and nothing is kept for a place that is not set any more', async () => {
  await withImage(async (house) => {
    const { metadata, target } = house;
    const next = (after: number) => after + HOUR;
    const failures: number[] = [];
    const broken = Object.assign(Object.create(target), {
      put: () => Promise.reject(new Error('the second place is full')),
      list: (prefix: string) => target.list(prefix),
    }) as BackupPlan['target'];
    const failing = worker(house, { plan: async () => ({ target: broken, keep: 3, next }), failures });
    failing.start();
    await until(async () => failures.length > 0);
    await failing.stop();
    assert.deepEqual(await metadata.snapshots(), []);
    assert.match(
      (await metadata.jobs(9)).find(({ kind }) => kind === 'backup')?.lastError ?? '',
      /second place is full/,
    );

    // A minute later the same job is tried again.
    const later = () => Date.now() + 61_000;
    const good = worker(house, { plan: async () => ({ target, keep: 3, next }), now: later });
    good.start();
    await until(async () => (await surveySnapshots(target)).length === 1);
    await until(async () => (await metadata.snapshots()).length === 1);
    await good.stop();

    const none = worker(house, {});
    none.start();
    await until(async () => (await metadata.snapshots()).length === 0);
    await none.stop();
  });
});
