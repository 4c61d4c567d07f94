/** When reports go out, and when none may. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Destination, deliver } from '../../../src/operator/inventory/deliveries.ts';
import { inventoryMetrics } from '../../../src/operator/inventory/metrics.ts';
import type { Snapshot } from '../../../src/operator/inventory/watch.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { collectingLog, eventually } from '../../integration/kube/setup.ts';

class Bench {
  current: Snapshot | { unknown: string } = { unknown: 'not read yet' };
  leads = true;
  started = 0;
  stopped = 0;
  readonly sent: string[] = [];
  failing = false;
  everyMs = 60_000;
  wanted = true;
  readonly log = collectingLog();
  readonly #ending = new AbortController();
  readonly #done: Promise<void>;

  constructor() {
    const inventory = {
      start: () => void this.started++,
      current: () => this.current,
      stop: async () => void this.stopped++,
    };
    const destination = (): Destination => ({
      key: 'one',
      name: 'Registry a/one',
      everyMs: this.everyMs,
      send: async (report) => {
        this.sent.push(report);
        if (this.failing) throw new Error('nobody is there');
      },
    });
    const options = {
      inventory,
      destinations: () => (this.wanted ? [destination()] : []),
      leads: () => this.leads,
      now: () => new Date('2026-01-01T00:00:00Z'),
      log: this.log,
      metrics: inventoryMetrics(createMetrics()),
      longestPauseMs: 500,
    };
    this.#done = deliver(options, this.#ending.signal);
  }

  know(revision: number): void {
    this.current = { revision, images: 1, body: (at) => `${revision} at ${at.toISOString()}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#done;
  }
}

describe('a report goes out', () => {
  test('once everything was read, again when something changed, and not in between', async () => {
    await using bench = new Bench();
    await sleep(600);
    assert.deepEqual(bench.sent, [], 'a part of what runs would let go the rest');
    assert.ok(bench.started > 0);
    bench.know(1);
    await eventually('the first report', () => bench.sent.length === 1, 60);
    await sleep(600);
    assert.equal(bench.sent.length, 1);
    bench.know(2);
    await eventually('the change', () => bench.sent.length === 2, 60);
    assert.deepEqual(bench.sent, ['1 at 2026-01-01T00:00:00.000Z', '2 at 2026-01-01T00:00:00.000Z']);
  });

  test('again after a time though nothing changed', async () => {
    await using bench = new Bench();
    bench.everyMs = 500;
    bench.know(1);
    await eventually('three of them', () => bench.sent.length >= 3, 60);
  });

  test('not when nobody can say any more what runs', async () => {
    await using bench = new Bench();
    bench.everyMs = 300;
    bench.know(1);
    await eventually('a report', () => bench.sent.length > 0, 60);
    bench.current = { unknown: 'the API server is away' };
    await sleep(300);
    const before = bench.sent.length;
    await sleep(1000);
    assert.equal(bench.sent.length, before);
  });

  test('not from an operator that does not lead', async () => {
    await using bench = new Bench();
    bench.leads = false;
    bench.know(1);
    await sleep(700);
    assert.deepEqual([bench.sent, bench.started], [[], 0]);
  });

  test('to nobody, and the cluster is not even watched, where no registry wants one', async () => {
    await using bench = new Bench();
    bench.wanted = false;
    bench.know(1);
    await sleep(700);
    assert.deepEqual([bench.sent, bench.started], [[], 0]);
  });

  test('again and again where it does not arrive; that is told once, and so is its end', async () => {
    await using bench = new Bench();
    bench.failing = true;
    bench.know(1);
    const warnings = () => bench.log.lines.filter(({ level }) => level === 'warn');
    await eventually('the fourth attempt', () => bench.sent.length >= 4, 60);
    assert.equal(warnings().length, 0, 'a restart is nothing to complain about');
    await eventually('the warning', () => warnings().length === 1, 60);
    assert.equal(bench.sent.length, 15);
    bench.failing = false;
    await eventually('its end', () => bench.log.lines.some(({ message }) => /arrives again/.test(message)), 60);
    assert.equal(warnings().length, 1);
  });
});

test('ending it ends the watches', async () => {
  const bench = new Bench();
  await bench[Symbol.asyncDispose]();
  assert.equal(bench.stopped, 1);
});
