import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseOptions } from '../../bench/options.ts';
import { withTable } from '../../bench/record.ts';
import { judge, type Sample } from '../../bench/result.ts';
import { markdownTable, missed, number } from '../../bench/table.ts';

const mebibyte = 1024 * 1024;

function sample(value: number, rest: Partial<Sample> = {}): Sample {
  return {
    value,
    requests: 100,
    errors: 0,
    seconds: 1,
    p50: 1,
    p99: 2,
    cpuMicros: 10,
    peakBytes: 70 * mebibyte,
    ...rest,
  };
}

const description = {
  id: 'manifest-get-tag',
  title: 'manifest GET by tag',
  unit: 'req/s',
  promises: { against: { distribution: { floor: 10, goal: 16 } } },
} as const;

function result(own: readonly number[], their: readonly number[], rest: Partial<Sample> = {}) {
  return judge(description, [
    { server: 'ours', samples: own.map((value) => sample(value, rest)) },
    { server: 'distribution', samples: their.map((value) => sample(value)) },
  ]);
}

describe('holding measurements against promises', () => {
  test('a ratio between floor and goal holds the floor', () => {
    const { checks } = result([12_000, 11_000, 13_000], [1000, 1000, 1000]);
    assert.deepEqual(
      checks.map(({ of, value, verdict }) => [of, value, verdict]),
      [
        ['distribution', 12, 'floor held'],
        ['memory', 70, 'goal'],
      ],
    );
    assert.deepEqual(missed([result([12_000], [1000])]), []);
  });

  test('what misses is listed with its floor', () => {
    assert.deepEqual(missed([result([5000], [1000], { peakBytes: 101 * mebibyte })]), [
      'manifest-get-tag: distribution 5, floor 10',
      'manifest-get-tag: memory 101, floor at most 100',
    ]);
  });

  test('fast and wrong is a miss', () => {
    assert.deepEqual(missed([result([20_000], [1000], { errors: 3 })]), [
      'manifest-get-tag: errors 3, floor at most 0',
    ]);
  });

  test('for times, less is better, and the slowest hundredth has a bound of its own', () => {
    const times = judge(
      { ...description, unit: 'ms', promises: { ...description.promises, p99: { floor: 5, goal: 2, most: true } } },
      [
        { server: 'ours', samples: [sample(1, { p99: 6 })] },
        { server: 'distribution', samples: [sample(200)] },
      ],
    );
    assert.deepEqual(
      times.checks.map(({ of, verdict }) => [of, verdict]),
      [
        ['distribution', 'goal'],
        ['p99', 'MISSED'],
        ['memory', 'goal'],
      ],
    );
  });
});

describe('the table', () => {
  test('has a row a case, and a column a server and a peer', () => {
    const lines = markdownTable([result([12_000], [1000]), result([500], [1000])]).split('\n');
    assert.equal(
      lines[0],
      '| what | ours | distribution | against distribution (floor, goal) | p99 ms | processor µs a request, or a MB | resident MiB | verdict |',
    );
    assert.equal(
      lines[2],
      '| manifest GET by tag | 12,000 /s | 1,000 /s | 12× (10, 16) | 2 / 2 | 10 / 10 | 70 / 70 | floor held |',
    );
    assert.match(lines[3] ?? '', /✗ 0\.5× \(10, 16\).*\*\*MISSED\*\* \(distribution\)/);
  });

  test('numbers keep three figures', () => {
    assert.deepEqual([0.012345, 12.345, 999.7, 1234.5, 66_012].map(number), [
      '0.0123',
      '12.3',
      '1,000',
      '1,230',
      '66,000',
    ]);
  });

  test('takes the place of the one before, and nothing else of the page', () => {
    const run = {
      date: '2026-01-01',
      command: 'make bench',
      machine: 'one',
      load: 0.2,
      processors: 2,
      versions: { node: 'v26' },
    };
    const page = 'before\n<!-- make bench: begin -->\nold\n<!-- make bench: end -->\nafter\n';
    const once = withTable(page, run, [result([12_000], [1000])]);
    assert.ok(
      once.startsWith('before\n<!-- make bench: begin -->\n') && once.endsWith('<!-- make bench: end -->\nafter\n'),
    );
    assert.ok(!once.includes('old') && once.includes('12,000 /s'));
    assert.equal(withTable(once, run, [result([12_000], [1000])]), once);
    assert.ok(
      !once.includes('busy') &&
        withTable(page, { ...run, load: 7 }, []).includes('busy with other work (load average 7'),
    );
    assert.throws(() => withTable('no markers', run, []), /lacks the lines/);
  });
});

describe('the command line', () => {
  const known = ['manifest', 'blob'];

  test('an empty list of cases means all, which are recorded', () => {
    const { cases, record, seconds } = parseOptions(['--cases', ''], known);
    assert.deepEqual({ cases, record, seconds }, { cases: undefined, record: true, seconds: 2 });
  });

  test('some cases are not recorded unless told', () => {
    assert.equal(parseOptions(['--cases', 'blob'], known).record, false);
    assert.equal(parseOptions(['--cases', 'blob', '--record'], known).record, true);
  });

  test('what is not understood is refused with the usage', () => {
    assert.throws(
      () => parseOptions(['--cases', 'blobs'], known),
      /no such case: blobs; there are manifest, blob[\s\S]*usage/,
    );
    assert.throws(() => parseOptions(['--seconds', '0'], known), /--seconds must be a number above zero/);
    assert.throws(() => parseOptions(['--output', 'xml'], known), /table or json/);
  });
});
