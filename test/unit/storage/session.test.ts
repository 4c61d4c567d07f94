import assert from 'node:assert/strict';
import type { FileHandle } from 'node:fs/promises';
import { test } from 'node:test';
import { Session } from '../../../src/registry/storage/filesystem/session.ts';

const mebibyte = 1024 * 1024;

/** A file whose syncs end when they are told to, as no disk of a test does. */
function slowFile() {
  const syncs: PromiseWithResolvers<void>[] = [];
  const datasync = () => {
    const sync = Promise.withResolvers<void>();
    syncs.push(sync);
    return sync.promise;
  };
  return { syncs, session: new Session('id', { datasync } as unknown as FileHandle, 0) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('the disk is set to work while bytes arrive, one sync at a time, and all is synced in the end', async () => {
  const { syncs, session } = slowFile();
  session.wrote(7 * mebibyte);
  assert.equal(syncs.length, 0);
  session.wrote(mebibyte);
  session.wrote(9 * mebibyte);
  assert.equal(syncs.length, 1);
  let ended = false;
  const done = session.synced().then(() => {
    ended = true;
  });
  assert.equal(syncs.length, 2, 'what was written during the first sync needs one more, and need not wait for it');
  syncs[1]?.resolve();
  await turn();
  assert.equal(ended, false, 'the first may still tell of a loss');
  syncs[0]?.resolve();
  await done;
  assert.equal(session.size, 17 * mebibyte);
});

test('a loss that an early sync tells of while the last one is under way counts', async () => {
  const { syncs, session } = slowFile();
  session.wrote(8 * mebibyte);
  const done = session.synced();
  syncs[1]?.resolve();
  syncs[0]?.reject(Object.assign(new Error('lost'), { code: 'EIO' }));
  await assert.rejects(done, { code: 'EIO' });
});

test('a sync that failed while bytes arrived is never made good by a later one', async () => {
  const { syncs, session } = slowFile();
  session.wrote(8 * mebibyte);
  syncs[0]?.reject(Object.assign(new Error('lost'), { code: 'EIO' }));
  await turn();
  assert.equal(session.lost, true);
  for (let attempt = 0; attempt < 2; attempt++) await assert.rejects(session.synced(), { code: 'EIO' });
  assert.equal(syncs.length, 1, 'Linux would say that all is well');
});
