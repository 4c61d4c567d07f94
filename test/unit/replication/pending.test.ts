import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Breaker } from '../../../src/registry/replication/breaker.ts';
import { Pending } from '../../../src/registry/replication/pending.ts';
import { type Seen, stillGood } from '../../../src/registry/replication/seen.ts';
import { TransferError, type TransferFault } from '../../../src/transfer/errors.ts';

const errand = (tag: string) => ({ repository: 'app', what: { tag } });
const failure = { reason: 'TargetDenied', message: 'no', at: 0, course: 'wait' } as const;

test('each errand waits once, in the order it came up', () => {
  const pending = new Pending(10);
  for (const tag of ['1', '2', '1']) pending.add(errand(tag), 5);
  assert.equal(pending.size, 2);
  assert.deepEqual([pending.take(0)?.key, pending.take(0)?.key, pending.take(0)], ['app:1', 'app:2', undefined]);
});

test('what comes up while it is being worked on is done again', () => {
  const pending = new Pending(10);
  pending.add(errand('1'), 5);
  const item = pending.take(0);
  assert.ok(item);
  pending.add(errand('1'), 9);
  pending.done(item, 10);
  const again = pending.take(10);
  assert.deepEqual([again?.key, again?.since], ['app:1', 10]);
  if (again) pending.done(again, 11);
  assert.equal(pending.size, 0);
});

test('what failed waits for its time, or for news of it', () => {
  const pending = new Pending(10);
  pending.add(errand('1'), 5);
  const item = pending.take(0);
  assert.ok(item);
  pending.failed(item, failure, 100);
  assert.equal(pending.take(99), undefined);
  assert.equal(pending.nextDue(), 100);
  assert.deepEqual(
    [...pending.failing()].map(({ key }) => key),
    ['app:1'],
  );
  pending.add(errand('1'), 50);
  assert.equal(pending.take(60)?.failures, 1);
  assert.equal(pending.oldestSince(), 5);
});

test('more than can be remembered is noted, and not remembered', () => {
  const pending = new Pending(2);
  for (const tag of ['1', '2', '3']) pending.add(errand(tag), 0);
  assert.deepEqual([pending.size, pending.overflown], [2, true]);
});

test('a registry that does not answer is tried by one errand at a time, less and less often', () => {
  let now = 0;
  const breaker = new Breaker({ waits: { min: 1000, max: 4000 }, now: () => now, chance: () => 0.5 });
  const fails = (fault: TransferFault, retryAfterMs?: number) =>
    breaker.failed(new TransferError(fault, 'no', { ...(retryAfterMs !== undefined && { retryAfterMs }) }));
  assert.equal(fails('NotFound'), false);
  assert.equal(breaker.most, Number.POSITIVE_INFINITY);
  assert.equal(fails('Unreachable'), true);
  assert.deepEqual([breaker.most, breaker.openUntil], [1, 1000]);
  now = 1000;
  fails('Unreachable');
  assert.equal(breaker.openUntil, 3000);
  fails('RateLimited', 9000);
  assert.equal(breaker.openUntil, 10_000);
  breaker.succeeded();
  assert.deepEqual([breaker.most, breaker.openUntil, breaker.fault], [Number.POSITIVE_INFINITY, 0, undefined]);
});

test("one broken answer is an image's bad luck, three in a row are the registry's", () => {
  const breaker = new Breaker({ waits: { min: 1000, max: 4000 }, now: () => 0, chance: () => 0.5 });
  const fails = () => breaker.failed(new TransferError('ServerFailed', 'no'));
  assert.deepEqual([fails(), fails(), fails()], [false, false, true]);
});

test('what a comparison saw is good for one attempt, until something happens to the tag or some seconds are over', () => {
  const seen: Seen = {
    source: { tag: undefined, identity: 'a' },
    target: { tag: undefined, identity: 'b' },
    holds: false,
    at: 50,
  };
  const pending = new Pending(10);
  pending.add({ ...errand('failed'), seen }, 5);
  pending.add({ ...errand('pushed'), seen }, 5);
  pending.add(errand('pushed'), 6);
  const [failed, pushed] = [pending.take(0), pending.take(0)];
  assert.ok(failed && pushed);
  assert.deepEqual([failed.seen, pushed.seen], [seen, undefined]);
  pending.failed(failed, failure, 10);
  assert.equal(pending.take(10)?.seen, undefined);
  assert.deepEqual(
    [49, 50, 10_049, 10_050].map((now) => stillGood(seen, now)),
    [undefined, seen, seen, undefined],
  );
});
