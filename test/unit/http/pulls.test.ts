/** The first pull of a manifest in an hour is written before it is answered, unless nothing can be written. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { Pulls } from '../../../src/registry/http/pulls.ts';
import type { ManifestRow } from '../../../src/registry/metadata/store.ts';

const hour = 3_600_000;
const digest: Digest = `sha256:${'a'.repeat(64)}`;
const other: Digest = `sha256:${'b'.repeat(64)}`;

/** What was written, one list for each write. */
let written: { digest: Digest; hour: number }[][] = [];
let answer: () => Promise<void> = async () => undefined;
let there = true;
let time = 7 * hour;

const metadata = {
  notePulls: async (pulls: readonly { digest: Digest; hour: number }[]) => {
    await answer();
    written.push(pulls.map(({ digest, hour }) => ({ digest, hour })));
  },
  manifest: () => (there ? ({ digest } as ManifestRow) : undefined),
};
const log = { warn: () => undefined };
const open = () => new Pulls(metadata, { now: () => time, log, everyMillis: 2 ** 30 });

beforeEach(() => {
  written = [];
  answer = async () => undefined;
  there = true;
  time = 7 * hour;
});

test('the first pull of an hour waits until it is written, and no other one', async () => {
  const pulls = open();
  assert.equal(await pulls.note('app', digest), true);
  assert.deepEqual(written, [[{ digest, hour: 7 }]]);
  assert.equal(pulls.note('app', digest), undefined);
  assert.equal(written.length, 1);
  time = 8 * hour;
  assert.equal(await pulls.note('app', digest), true);
  assert.deepEqual(written.at(-1), [{ digest, hour: 8 }]);
  await pulls.close();
});

test('where no cluster tells what it uses, no pull waits', async () => {
  const pulls = new Pulls(metadata, { now: () => time, log, careful: () => false, everyMillis: 2 ** 30 });
  assert.equal(pulls.note('app', digest), undefined);
  await pulls.close();
  assert.deepEqual(written, [[{ digest, hour: 7 }]]);
});

test('another pull in the hour is noted too: the manifest may have been deleted and pushed again', async () => {
  const pulls = open();
  await pulls.note('app', digest);
  void pulls.note('app', digest);
  await pulls.flush();
  assert.deepEqual(written, [[{ digest, hour: 7 }], [{ digest, hour: 7 }]]);
  await pulls.close();
});

test('a manifest that went while its pull was written is not answered', async () => {
  const pulls = open();
  const noted = pulls.note('app', digest);
  there = false;
  assert.equal(await noted, false);
  await pulls.close();
});

test('pulls that come together are written together', async () => {
  const pulls = open();
  await Promise.all([pulls.note('app', digest), pulls.note('app', other), pulls.note('web', digest)]);
  assert.ok(written.length <= 2, `${written.length} writes`);
  await pulls.close();
});

test('what could not be written is kept, makes no pull wait, and lets nothing expire', async () => {
  const pulls = open();
  answer = () => Promise.reject(new Error('the disk is full'));
  assert.equal(await pulls.note('app', digest), true);
  assert.equal(pulls.note('app', other), undefined);
  await assert.rejects(pulls.flush(), /the disk is full/);
  answer = async () => undefined;
  await pulls.flush();
  assert.deepEqual(
    written.flat().map((pull) => pull.digest),
    [digest, other],
  );
  await pulls.close();
});

test('a store that does not answer holds one pull for a second, and the next ones not at all', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const pulls = open();
  const { promise, resolve } = Promise.withResolvers<void>();
  answer = () => promise;
  const first = pulls.note('app', digest);
  context.mock.timers.tick(1000);
  assert.equal(await first, true);
  assert.equal(pulls.note('app', other), undefined);
  resolve();
  await pulls.close();
});
