import {
  better,
  type CaseResult,
  type Check,
  errorsOf,
  type Measurement,
  peakMiB,
  type Unit,
  valuesOf,
} from './result.ts';
import { median, ratio } from './statistics.ts';
import { type Verdict, worst } from './verdict.ts';

/**
 * One Markdown table, a row a case; peers that no case has have no column. The last columns tell a figure of each server that was
 * measured, in the order of the columns.
 */
export function markdownTable(results: readonly CaseResult[]): string {
  const names = serversOf(results);
  const peers = names.slice(1);
  const header = [
    'what',
    ...names,
    ...peers.map((name) => `against ${name} (floor, goal)`),
    'p99 ms',
    'processor µs a request, or a MB',
    'resident MiB',
    'verdict',
  ];
  const rows = results.map((result) => [
    result.title,
    ...names.map((name) => value(result, name)),
    ...peers.map((name) => checked(result, name)),
    ...[p99, processor, memory].map((figure) => inOrder(names, result).map(figure).join(' / ')),
    conclusion(result),
  ]);
  const rule = header.map((_, column) => (column === 0 || column === header.length - 1 ? '---' : '--:'));
  return [header, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** What missed its floor, a line each; none where all is well. */
export function missed(results: readonly CaseResult[]): string[] {
  return results.flatMap(({ id, checks }) =>
    checks
      .filter(({ verdict }) => verdict === 'MISSED')
      .map(({ of, value, aim }) => `${id}: ${of} ${number(value)}, floor ${bound(aim)}`),
  );
}

function serversOf(results: readonly CaseResult[]): string[] {
  return [...new Set(results.flatMap(({ measurements }) => measurements.map(({ server }) => server)))];
}

function value(result: CaseResult, server: string): string {
  const found = measured(result, server);
  if (found === undefined) return '';
  const text = `${number(median(found.samples.map((sample) => sample.value)))} ${shown[result.unit]}`;
  const errors = errorsOf(found);
  return errors === 0 ? text : `${text}, ${errors} errors`;
}

const shown: Record<Unit, string> = { 'req/s': '/s', 'req/cpu-s': '/cpu s', 'MB/s': 'MB/s', MB: 'MB', ms: 'ms' };

function checked(result: CaseResult, of: string): string {
  const check = result.checks.find((candidate) => candidate.of === of);
  if (check !== undefined) return `${mark(check)}${number(check.value)}× (${check.aim.floor}, ${check.aim.goal})`;
  const [own, theirs] = [result.measurements[0], measured(result, of)];
  if (own === undefined || theirs === undefined) return '';
  return `${number(ratio(valuesOf(result, own.server), valuesOf(result, of), better(result.unit)))}×`;
}

function mark({ verdict }: Check): string {
  return verdict === 'MISSED' ? '✗ ' : '';
}

function inOrder(names: readonly string[], result: CaseResult): Measurement[] {
  return names.flatMap((name) => measured(result, name) ?? []);
}

function p99({ samples }: Measurement): string {
  const times = samples.map((sample) => sample.p99 ?? Number.NaN);
  return times.some(Number.isNaN) ? '–' : number(median(times));
}

/** What other load on the machine changes least. */
function processor({ samples }: Measurement): string {
  const cost = median(samples.map(({ cpuMicros }) => cpuMicros));
  return cost === 0 ? '–' : number(cost);
}

function memory(measurement: Measurement): string {
  return peakMiB(measurement).toFixed(0);
}

/** The worst of all checks, and which ones missed. */
function conclusion({ checks, note }: CaseResult): string {
  const missing = checks.filter(({ verdict }) => verdict === 'MISSED').map(({ of }) => of);
  const overall: Verdict | undefined = worst(checks.map(({ verdict }) => verdict));
  const text = missing.length > 0 ? `**MISSED** (${missing.join(', ')})` : (overall ?? '');
  return note === undefined ? text : `${text}; ${note}`;
}

function measured({ measurements }: CaseResult, server: string): Measurement | undefined {
  return measurements.find((measurement) => measurement.server === server);
}

function bound({ floor, most = false }: Check['aim']): string {
  return most ? `at most ${floor}` : `${floor}`;
}

/** Three figures that count, with thousands apart. */
export function number(value: number): string {
  if (Number.isNaN(value)) return 'nothing';
  return Number(value.toPrecision(3)).toLocaleString('en', { maximumSignificantDigits: 3 });
}
