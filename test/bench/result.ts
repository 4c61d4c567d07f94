import { median, ratio } from './statistics.ts';
import { type Aim, type Verdict, verdict } from './verdict.ts';

/** One burst of load on one server. */
export interface Burst {
  /** In the unit of the case. */
  readonly value: number;
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50?: number;
  readonly p99?: number;
}

/** A burst with what it cost the server. */
export interface Sample extends Burst {
  /** Processor time of the server, microseconds a request, or a megabyte where that is the unit. */
  readonly cpuMicros: number;
  /** The most that was resident during the burst, bytes, all processes of the server together. */
  readonly peakBytes: number;
}

/** `req/cpu-s`: requests a second of the server's processor time, which other load on the machine does not change. */
export type Unit = 'req/s' | 'req/cpu-s' | 'MB/s' | 'MB' | 'ms';

/** What a case promises: ratios against peers by name, and bounds of its own. */
export interface Promises {
  readonly against?: Readonly<Record<string, Aim>>;
  /** Milliseconds, the 99th percentile of ours. */
  readonly p99?: Aim;
  /** The value of ours itself. */
  readonly value?: Aim;
}

export interface CaseDescription {
  readonly id: string;
  readonly title: string;
  readonly unit: Unit;
  readonly promises?: Promises;
  /** MiB that ours may take, where it is no registry that serves. */
  readonly memory?: Aim;
}

export interface Measurement {
  readonly server: string;
  readonly samples: readonly Sample[];
}

export interface Check {
  /** What was held against what, for example `distribution` or `memory`. */
  readonly of: string;
  readonly value: number;
  readonly aim: Aim;
  readonly verdict: Verdict;
}

export interface CaseResult extends CaseDescription {
  readonly measurements: readonly Measurement[];
  readonly checks: readonly Check[];
  /** What a reader has to know to read the numbers. */
  readonly note?: string;
}

const mebibyte = 1024 * 1024;
/** The registry's promise under any load, MiB of resident memory. */
const memoryAim: Aim = { floor: 100, goal: 80, most: true };

export function better(unit: Unit): 'more' | 'less' {
  return unit === 'ms' || unit === 'MB' ? 'less' : 'more';
}

export function valuesOf(result: Pick<CaseResult, 'measurements'>, server: string): readonly number[] {
  const found = result.measurements.find((measurement) => measurement.server === server);
  return found?.samples.map(({ value }) => value) ?? [];
}

/** The most that a server ever held during a case, MiB. */
export function peakMiB({ samples }: Measurement): number {
  return Math.max(...samples.map(({ peakBytes }) => peakBytes)) / mebibyte;
}

/** Holds what was measured against what was promised. The first measurement is ours. */
export function judge(description: CaseDescription, measurements: readonly Measurement[], note?: string): CaseResult {
  const result = { ...description, measurements, checks: [], ...(note === undefined ? {} : { note }) };
  const ours = measurements[0];
  if (ours === undefined) return result;
  const check = (of: string, value: number, aim: Aim): Check => ({ of, value, aim, verdict: verdict(value, aim) });
  const { against = {}, p99, value } = description.promises ?? {};
  const own = valuesOf(result, ours.server);
  const ratios = Object.entries(against).flatMap(([peer, aim]) => {
    const theirs = valuesOf(result, peer);
    return theirs.length === 0 ? [] : [check(peer, ratio(own, theirs, better(description.unit)), aim)];
  });
  const slowest = median(ours.samples.map((sample) => sample.p99 ?? Number.NaN));
  return {
    ...result,
    checks: [
      ...ratios,
      ...(p99 === undefined ? [] : [check('p99', slowest, p99)]),
      ...(value === undefined ? [] : [check('value', median(own), value)]),
      ...(errorsOf(ours) === 0 ? [] : [check('errors', errorsOf(ours), { floor: 0, goal: 0, most: true })]),
      check('memory', peakMiB(ours), description.memory ?? memoryAim),
    ],
  };
}

export function errorsOf({ samples }: Measurement): number {
  return samples.reduce((sum, { errors }) => sum + errors, 0);
}
