/** Moving to other stores: interrupted anywhere it goes on, and damaged bytes are never taken along. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type MigrateParts, migrate } from '../../src/registry/recovery/migrate/migrate.ts';
import { essence, exported, type House, openHouse, type Step, write } from './recovery-history.ts';

const history: Step[] = [0, 1, 2].flatMap((layer): Step[] => [
  { do: 'push', repository: 'm/a', layer },
  { do: 'put', repository: 'm/a', layer, tags: [['x', 'y'][layer] ?? 'z'], note: 0 },
]);

async function withHouses(work: (from: House, to: House) => Promise<void>): Promise<void> {
  const [from, to] = [await openHouse(), await openHouse()];
  try {
    let now = 1;
    for (const step of history) if ('repository' in step) await write(from, step, now++);
    await work(from, to);
  } finally {
    await from.close();
    await to.close();
  }
}

function parts(from: House, to: House, more: Partial<MigrateParts> = {}): MigrateParts {
  const target = {
    blobs: to.blobs,
    records: to.target,
    import: (rows: Parameters<House['metadata']['import']>[0]) => to.metadata.import(rows),
    export: () => to.metadata.export(),
  };
  return { from, to: target, allowDamaged: false, onBlobs: () => undefined, onPhase: () => undefined, ...more };
}

/** Everything but the keys, which are the target's own. */
function withoutKeys(rows: Awaited<ReturnType<typeof exported>>): unknown {
  return JSON.parse(JSON.stringify(essence(rows)).replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'id'));
}

test('a migration that breaks at any blob goes on with the others when it is run again', async () => {
  for (let broken = 1; broken <= 3; broken++)
    await withHouses(async (from, to) => {
      let calls = 0;
      const failing = Object.create(to.blobs) as House['blobs'];
      for (const name of ['begin', 'append', 'finish', 'cancel', 'list'] as const)
        Object.assign(failing, { [name]: (to.blobs[name] as (...args: unknown[]) => unknown).bind(to.blobs) });
      failing.begin = async (id) => {
        calls += 1;
        if (calls === broken) throw new Error('the network is gone');
        await to.blobs.begin(id);
      };
      const all = parts(from, to);
      await assert.rejects(migrate({ ...all, to: { ...all.to, blobs: failing } }), /the network is gone/);
      const result = await migrate(all);
      assert.deepEqual([result.blobs, result.difference, result.damaged], [3, undefined, []]);
      assert.deepEqual(withoutKeys(await exported(to.metadata)), withoutKeys(await exported(from.metadata)));
    });
});

test('what was copied is not copied again', async () => {
  await withHouses(async (from, to) => {
    const stop = async () => {
      throw new Error('interrupted');
    };
    const all = parts(from, to);
    await assert.rejects(migrate({ ...all, to: { ...all.to, import: stop } }), /interrupted/);
    assert.equal((await migrate(all)).skipped, 3);
  });
});

test('damaged bytes stop it before the metadata, unless that is allowed', async () => {
  await withHouses(async (from, to) => {
    const [blob] = await from.metadata.blobs({ limit: 1 });
    assert.ok(blob);
    await writeFile(join(from.path, 'blobs', blob.key), Buffer.alloc(blob.size, 'X'));
    const result = await migrate(parts(from, to));
    assert.deepEqual([result.stopped, result.damaged.map(({ digest }) => digest)], [true, [blob.digest]]);
    assert.equal(await to.metadata.lastSequence(), 0);
    const gone = await migrate(parts(from, to, { allowDamaged: true }));
    assert.deepEqual([gone.stopped, gone.difference, gone.skipped], [false, undefined, 2]);
    assert.equal(await to.metadata.blob('m/a', blob.digest), undefined);
  });
});
