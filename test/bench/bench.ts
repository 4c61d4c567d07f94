import type { Load } from './load/load.ts';
import type { CaseResult } from './result.ts';

/** One run: what every group of cases needs. */
export interface Bench {
  /** A folder for this run; removed at its end. */
  readonly scratch: string;
  /** Where seeds of many minutes are kept between runs. */
  readonly cache: string;
  /** The bundle that is measured, as the image runs it. */
  readonly bundle: string;
  /** Another bundle, measured as the peer `baseline`. */
  readonly baseline: string | undefined;
  /** Seconds of one burst. */
  readonly seconds: number;
  /** Bursts of each server in each case. */
  readonly rounds: number;
  readonly load: Load;
  /** Whether a case was asked for, of those that can be asked for singly. */
  wants(id: string): boolean;
  say(line: string): void;
}

/** A group of cases; chosen with CASES. */
export interface Group {
  readonly name: string;
  /** Its cases, where they share no servers, so that one can be measured without the others. */
  readonly ids?: readonly string[];
  readonly run: (bench: Bench) => AsyncIterable<CaseResult>;
}
