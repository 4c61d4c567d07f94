/** Losing the database is survivable: what is restored is what was there, whatever happened before. */
import assert from 'node:assert/strict';
import { rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Journal } from '../../src/registry/recovery/journal.ts';
import { isComplete, type RestoreReport } from '../../src/registry/recovery/restore/report.ts';
import { prepareRestore } from '../../src/registry/recovery/restore/restore.ts';
import { takeSnapshot } from '../../src/registry/recovery/snapshots.ts';
import { essence, exported, type House, openEmpty, openHouse, type Step, step, write } from './recovery-history.ts';

const log = { info: () => undefined, warn: () => undefined };
const history = fc.array(step, { minLength: 1, maxLength: 40 });

async function withHouse(work: (house: House) => Promise<void>): Promise<void> {
  const house = await openHouse();
  try {
    await work(house);
  } finally {
    await house.close();
  }
}

/** Lets a history happen; everything is in the journal at its end. */
async function live(house: House, steps: readonly Step[]): Promise<Journal> {
  let journal = await Journal.open({ metadata: house.metadata, records: house.journal, log, now: () => 5 });
  let now = 1000;
  for (const one of steps) {
    now += 1;
    if (one.do === 'journal') await journal.flush();
    else if (one.do === 'checkpoint') {
      // A journal that may not grow takes a checkpoint with each change.
      const parts = { metadata: house.metadata, records: house.journal, log, checkpointBytes: 0, now: () => 5 };
      await journal.flush();
      journal = await Journal.open(parts);
      await journal.flush();
      await journal.settle();
      journal = await Journal.open({ ...parts, checkpointBytes: 1e9 });
    } else if (one.do === 'snapshot')
      await takeSnapshot({ metadata: house.metadata, target: house.target }, journal.epoch);
    else await write(house, one, now);
  }
  await journal.flush();
  return journal;
}

async function restore(house: House): Promise<{ rows: Awaited<ReturnType<typeof exported>>; report: RestoreReport }> {
  const { journal, target: snapshots, blobs } = house;
  const { rows, report } = await prepareRestore({ journal, snapshots, blobs });
  const { store, close } = await openEmpty();
  try {
    await store.import(rows);
    return { rows: await exported(store), report };
  } finally {
    await close();
  }
}

/** The rows alone, without a store that takes them. */
async function restoredRows({ journal, target: snapshots, blobs }: House) {
  const { rows, report } = await prepareRestore({ journal, snapshots, blobs });
  return { rows: await Array.fromAsync(rows), report };
}

test('an export that is imported exports the same again', async () => {
  const property = fc.asyncProperty(history, (steps) =>
    withHouse(async (house) => {
      await live(house, steps);
      const [blob] = await house.metadata.blobs({ limit: 1 });
      if (blob) await house.metadata.quarantineBlob(blob.digest, blob.key, 'its bytes do not have its digest', 9);
      const before = await exported(house.metadata);
      const { store, close } = await openEmpty();
      try {
        await store.import(house.metadata.export());
        const [, ...after] = await exported(store);
        assert.deepEqual(after, before.slice(1));
        assert.equal(await store.lastSequence(), await house.metadata.lastSequence());
        const { reclaimableBytes, ...counts } = await house.metadata.statistics();
        assert.deepEqual(await store.statistics(), { ...counts, reclaimableBytes });
        if (before.some(({ row }) => row === 'repository'))
          await assert.rejects(store.import(house.metadata.export()), /only put into an empty store/);
      } finally {
        await close();
      }
    }),
  );
  await fc.assert(property, { numRuns: 15 });
});

function shownIn(rows: Awaited<ReturnType<typeof exported>>): string[] {
  return rows.flatMap((row) => (row.row === 'visible' ? [`${row.repository} ${row.digest}`] : []));
}

test('any history is restored from snapshots, checkpoints and the journal', async () => {
  const property = fc.asyncProperty(history, (steps) =>
    withHouse(async (house) => {
      await live(house, steps);
      const before = await exported(house.metadata);
      const { rows, report } = await restore(house);
      assert.deepEqual(essence(rows), essence(before), JSON.stringify(steps));
      const shown = new Set(shownIn(before));
      assert.deepEqual(
        shownIn(rows).filter((one) => !shown.has(one)),
        [],
        'a repository shows what it did not show before',
      );
      // Where nothing ever happened no file says who the registry was.
      const identity = report.base || report.journalObjects > 0 ? { identity: await house.metadata.identity() } : {};
      assert.deepEqual(
        rows.find(({ row }) => row === 'head'),
        { ...rows[0], sequence: await house.metadata.lastSequence(), ...identity },
      );
      assert.ok(isComplete(report), JSON.stringify(report.lost));
    }),
  );
  await fc.assert(property, { numRuns: 40 });
});

const pushed: Step[] = [0, 1, 2].flatMap((layer): Step[] => [
  { do: 'push', repository: 'm/a', layer },
  { do: 'put', repository: 'm/a', layer, tags: [['x', 'y'][layer] ?? 'z'], note: 0 },
  { do: 'journal' },
]);

/** The first image once more: only a tag is new. */
const again: Step = { do: 'put', repository: 'm/a', layer: 0, tags: [], note: 0 };

test('a last object that is torn at any byte costs what it held and nothing else, and is told', async () => {
  await withHouse(async (house) => {
    await live(house, [...pushed.slice(0, 3), { ...again, tags: ['y'] }, { do: 'journal' }]);
    const objects: { name: string; size: number }[] = [];
    for await (const object of house.journal.list('')) objects.push(object);
    const last = objects.at(-1);
    assert.ok(last !== undefined && objects.length === 2);
    for (let size = last.size - 1; size >= 0; size--) {
      await truncate(join(house.path, 'journal', last.name), size);
      const { rows, report } = await restoredRows(house);
      assert.deepEqual(
        rows.flatMap((row) => (row.row === 'tag' ? [row.name] : [])),
        ['x'],
      );
      assert.equal(report.lost.files[0]?.name, last.name);
      assert.deepEqual(report.lost.changes, [{ first: 3, last: 3 }]);
    }
  });
});

test('a blob that was deleted in a repository stays hidden there, whether base or journal showed it', async () => {
  const image = { repository: 'm/a', layer: 0, note: 0 };
  const [put, gone]: [Step, Step] = [
    { do: 'put', ...image, tags: [] },
    { do: 'delete', ...image },
  ];
  const [push, hide]: [Step, Step] = [
    { do: 'push', ...image },
    { do: 'hide', ...image },
  ];
  for (const between of ['snapshot', 'journal'] as const)
    await withHouse(async (house) => {
      await live(house, [push, put, { do: between }, gone, hide]);
      assert.deepEqual(shownIn((await restoredRows(house)).rows), []);
    });
});

test('bytes that were pushed again after a snapshot are the ones that are named afterwards', async () => {
  await withHouse(async (house) => {
    const [push, put]: [Step, Step] = [
      { do: 'push', repository: 'm/a', layer: 0 },
      { do: 'put', repository: 'm/a', layer: 0, tags: ['x'], note: 0 },
    ];
    await live(house, [push, put, { do: 'snapshot' }, push]);
    const [blob] = await house.metadata.blobs({ limit: 1 });
    const { rows, report } = await restoredRows(house);
    assert.deepEqual(
      rows.flatMap((row) => (row.row === 'blob' ? [row.key] : [])),
      [blob?.key],
    );
    assert.ok(isComplete(report));
  });
});

test('an object that is missing in the middle is told, and what is after it is brought back', async () => {
  await withHouse(async (house) => {
    await live(house, pushed);
    const names: string[] = [];
    for await (const { name } of house.journal.list('')) names.push(name);
    await house.journal.remove(names[1] ?? '');
    const { rows, report } = await restoredRows(house);
    assert.deepEqual(
      rows.flatMap((row) => (row.row === 'tag' ? [row.name] : [])),
      ['x', 'z'],
    );
    assert.deepEqual(report.lost.changes, [{ first: 3, last: 4 }]);
  });
});

test('blobs without bytes, and the manifests that need them, are told', async () => {
  await withHouse(async (house) => {
    await live(house, pushed);
    const [blob] = await house.metadata.blobs({ limit: 1 });
    assert.ok(blob);
    await rm(join(house.path, 'blobs', blob.key));
    const { rows, report } = await restoredRows(house);
    assert.deepEqual(report.lost.blobs, [blob.digest]);
    assert.deepEqual(
      report.lost.incomplete.map(({ missing }) => new Set(missing)),
      [new Set([blob.digest])],
    );
    assert.equal(rows.filter(({ row }) => row === 'manifest').length, 3);
    assert.equal(
      rows.some((row) => row.row === 'blob' && row.digest === blob.digest),
      false,
    );
  });
});
