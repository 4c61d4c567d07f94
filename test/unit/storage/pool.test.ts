/** Buffers are shared between client addresses: in turn, and never all to one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BufferPool } from '../../../src/registry/storage/filesystem/pool.ts';

/** Asks for a buffer, and lets the promises settle. */
async function ask(pool: BufferPool, owner: string): Promise<Buffer | undefined> {
  const taken: { buffer?: Buffer } = {};
  void pool.take(owner).then((buffer) => {
    taken.buffer = buffer;
  });
  await settled();
  return taken.buffer;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('one owner gets three quarters, and the next finds a buffer at once', async () => {
  const pool = new BufferPool(1, 8);
  const mine = await Promise.all(Array.from({ length: 10 }, () => ask(pool, 'a')));
  assert.equal(mine.filter((buffer) => buffer !== undefined).length, 6);
  assert.ok(await ask(pool, 'b'));
  assert.ok(await ask(pool, 'c'));
  assert.equal(await ask(pool, 'd'), undefined);
});

test('owners that wait take turns, however many requests each has', async () => {
  const pool = new BufferPool(1, 1);
  const first = await ask(pool, 'x');
  assert.ok(first);
  const order: string[] = [];
  for (const owner of ['a', 'a', 'a', 'b', 'c', 'c']) {
    void pool.take(owner).then((buffer) => {
      order.push(owner);
      pool.give(buffer, owner);
    });
  }
  pool.give(first, 'x');
  for (let turn = 0; turn < 10; turn++) await settled();
  assert.deepEqual(order, ['a', 'b', 'c', 'a', 'c', 'a']);
});

type Step = { what: string; owner: string };
type Lent = { owner: string; buffer: Buffer };

/** Takes, gives and replaces as told, then gives everything back; answers how many still wait. */
async function play(most: number, steps: readonly Step[]): Promise<number> {
  const pool = new BufferPool(1, most);
  const held: Lent[] = [];
  let waiting = 0;
  const take = async (owner: string) => {
    waiting++;
    held.push({ owner, buffer: await pool.take(owner) });
    waiting--;
  };
  const giveUp = (how: 'give' | 'replace') => {
    const lent = held.shift();
    if (lent === undefined) return;
    if (how === 'give') pool.give(lent.buffer, lent.owner);
    else pool.replace(lent.owner);
  };
  for (const { what, owner } of steps) {
    if (what === 'take') void take(owner);
    else giveUp(what === 'give' ? 'give' : 'replace');
    await settled();
    assert.ok(held.length <= most, `${held.length} of ${most} are lent`);
  }
  while (held.length > 0) {
    giveUp('give');
    await settled();
  }
  return waiting;
}

test('whatever is taken, given and replaced: never more than there are, and nobody waits for ever', async () => {
  const step = fc.record({
    what: fc.constantFrom('take', 'take', 'give', 'replace'),
    owner: fc.constantFrom('a', 'b', 'c'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 6 }), async (steps, most) => {
      assert.equal(await play(most, steps), 0);
    }),
    { numRuns: 200 },
  );
});
