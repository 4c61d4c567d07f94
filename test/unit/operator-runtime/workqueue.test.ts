import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { runtimeMetrics } from '../../../src/operator/runtime/metrics.ts';
import { WorkQueue } from '../../../src/operator/runtime/workqueue.ts';
import { ManualClock } from './manual-clock.ts';

const UNLIMITED = { perSecond: 1e9, burst: 1e9 };
const settle = () => new Promise((resolve) => setImmediate(resolve));

type Step = { do: 'add' | 'addAfter'; key: string; ms: number } | { do: 'take' | 'done' | 'fail' | 'pass'; ms: number };

/** A queue, those who use it, and what must be true of it. */
class World {
  readonly clock = new ManualClock();
  readonly queue = new WorkQueue({ name: 'q', clock: this.clock, rate: UNLIMITED });
  readonly held: string[] = [];
  readonly wrong: string[] = [];
  takers = 0;
  #sequence = 0;
  readonly #asked = new Map<string, number>();
  readonly #asks = new Map<string, number>();
  readonly #came = new Map<string, number>();

  do(step: Step): void {
    if (step.do === 'add') this.#ask(step.key, () => this.queue.add(step.key));
    else if (step.do === 'addAfter') this.#ask(step.key, () => this.queue.addAfter(step.key, step.ms));
    else if (step.do === 'pass') this.clock.advance(step.ms);
    else if (step.do === 'take') this.take();
    else this.giveBack(step.do === 'fail');
  }

  take(): void {
    this.takers += 1;
    void this.queue.take().then((key) => {
      this.takers -= 1;
      if (key !== undefined) this.#receive(key);
    });
  }

  giveBack(failed: boolean): void {
    const key = this.held.shift();
    if (key === undefined) return;
    if (failed) this.#ask(key, () => this.queue.addFailed(key));
    else this.queue.forget(key);
    this.queue.done(key);
  }

  /** Keys that nobody got since they were last asked for. */
  lost(): string[] {
    return [...this.#asked].filter(([key, at]) => (this.#came.get(key) ?? -1) < at).map(([key]) => key);
  }

  #ask(key: string, how: () => void): void {
    this.#asked.set(key, ++this.#sequence);
    this.#asks.set(key, (this.#asks.get(key) ?? 0) + 1);
    how();
  }

  #receive(key: string): void {
    if (this.held.includes(key)) this.wrong.push(`${key} is with two workers`);
    const left = (this.#asks.get(key) ?? 0) - 1;
    if (left < 0) this.wrong.push(`${key} came more often than it was asked for`);
    this.#asks.set(key, left);
    this.#came.set(key, ++this.#sequence);
    this.held.push(key);
  }
}

const key = fc.constantFrom('a', 'b', 'c');
const ms = fc.integer({ min: 0, max: 60 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('add' as const, 'addAfter' as const), key, ms }),
  fc.record({ do: fc.constantFrom('take' as const, 'done' as const, 'fail' as const, 'pass' as const), ms }),
);

describe('the work queue', () => {
  test('whatever happens: no key is with two workers, none is lost, and none comes more often than asked', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const world = new World();
        for (const each of steps) {
          world.do(each);
          await settle();
        }
        // Give it all the time and workers it needs: what was asked for must come.
        for (let round = 0; round < 10; round++) {
          world.clock.advance(2_000_000);
          if (world.takers === 0) world.take();
          await settle();
          while (world.held.length > 0) world.giveBack(false);
        }
        assert.deepEqual(world.lost(), []);
        assert.deepEqual(world.wrong, []);
        assert.equal(world.queue.depth, 0);
        assert.equal(world.clock.pending, 0);
        world.queue.close();
        await settle();
        assert.equal(world.takers, 0);
      }),
      { numRuns: 300 },
    );
  });

  test('many adds during a run cause one more run', async () => {
    const queue = new WorkQueue({ name: 'q', clock: new ManualClock() });
    queue.add('a');
    assert.equal(await queue.take(), 'a');
    for (let n = 0; n < 100; n++) queue.add('a');
    assert.equal(queue.depth, 1);
    queue.done('a');
    assert.equal(await queue.take(), 'a');
    queue.done('a');
    assert.equal(queue.depth, 0);
  });

  test('backs off from 5 ms to 1000 s, doubling, and anew after success', () => {
    const queue = new WorkQueue({ name: 'q', clock: new ManualClock(), rate: UNLIMITED });
    const delays = Array.from({ length: 20 }, () => queue.addFailed('a'));
    assert.deepEqual(delays.slice(0, 5), [5, 10, 20, 40, 80]);
    assert.equal(delays[17], 5 * 2 ** 17);
    assert.deepEqual(delays.slice(18), [1_000_000, 1_000_000]);
    queue.forget('a');
    assert.equal(queue.addFailed('a'), 5);
    assert.equal(queue.addFailed('b'), 5, 'each key has its own');
  });

  test('limits the retries of all keys together', () => {
    const clock = new ManualClock();
    const queue = new WorkQueue({ name: 'q', clock, rate: { perSecond: 10, burst: 3 } });
    const delays = ['a', 'b', 'c', 'd', 'e'].map((key) => queue.addFailed(key));
    assert.deepEqual(delays, [5, 5, 5, 100, 200]);
    clock.advance(10_000);
    assert.equal(queue.addFailed('f'), 5, 'it recovers');
  });

  test('of two delays of a key the earlier counts, and an add makes both needless', async () => {
    const clock = new ManualClock();
    const queue = new WorkQueue({ name: 'q', clock });
    queue.addAfter('a', 100);
    queue.addAfter('a', 50);
    queue.addAfter('a', 200);
    clock.advance(50);
    assert.equal(queue.depth, 1);
    assert.equal(await queue.take(), 'a');
    queue.done('a');
    clock.advance(1000);
    assert.equal(queue.depth, 0);
    queue.addAfter('a', 100);
    queue.add('a');
    assert.equal(clock.pending, 0);
  });

  test('a delay of months does not fire at once', () => {
    const clock = new ManualClock();
    const queue = new WorkQueue({ name: 'q', clock });
    queue.addAfter('a', 90 * 86_400_000);
    clock.advance(3_600_000);
    assert.equal(queue.depth, 0);
    clock.advance(86_400_000);
    assert.equal(queue.depth, 1, 'once a day is often enough to look');
  });

  test('a key that nobody holds cannot be given back', () => {
    assert.throws(() => new WorkQueue({ name: 'q' }).done('a'), /no worker holds it/);
  });

  test('counts what it does', async () => {
    const registry = new Registry();
    const clock = new ManualClock();
    const queue = new WorkQueue({ name: 'q', clock, metrics: runtimeMetrics(registry) });
    queue.add('a');
    queue.add('a');
    queue.add('b');
    clock.advance(500);
    await queue.take();
    clock.advance(250);
    queue.addFailed('a');
    queue.done('a');
    const text = await registry.metrics();
    for (const line of [
      'workqueue_adds_total{name="q"} 2',
      'workqueue_depth{name="q"} 1',
      'workqueue_retries_total{name="q"} 1',
      'workqueue_queue_duration_seconds_sum{name="q"} 0.5',
      'workqueue_work_duration_seconds_sum{name="q"} 0.25',
    ]) {
      assert.ok(text.includes(line), `${line} is not in\n${text}`);
    }
  });
});
