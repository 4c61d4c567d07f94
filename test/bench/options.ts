import { parseArgs } from 'node:util';

export interface Options {
  /** Names of groups, and of single cases; all unless given. */
  readonly cases: readonly string[] | undefined;
  readonly seconds: number;
  readonly rounds: number;
  readonly output: 'table' | 'json';
  /** Whether docs/performance.md and results/ are written: by a run of all cases unless told otherwise. */
  readonly record: boolean;
  /** A bundle to measure in place of one made of the sources. */
  readonly bundle: string | undefined;
  /** A second bundle, measured beside as `baseline`. */
  readonly baseline: string | undefined;
}

const usage = `usage: node test/bench/main.ts [--cases a,b] [--seconds N] [--rounds N] [--output table|json] [--[no-]record]
                               [--bundle DIR] [--baseline DIR]`;

/** Reads the command line. Throws Error with the usage where it is wrong. */
export function parseOptions(args: readonly string[], known: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      cases: { type: 'string' },
      seconds: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
      output: { type: 'string', default: 'table' },
      record: { type: 'boolean' },
      bundle: { type: 'string' },
      baseline: { type: 'string' },
    },
  });
  const cases = values.cases === undefined || values.cases === '' ? undefined : values.cases.split(',');
  const unknown = cases?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0)
    throw new Error(`no such case: ${unknown.join(', ')}; there are ${known.join(', ')}\n${usage}`);
  if (values.output !== 'table' && values.output !== 'json') throw new Error(`--output is table or json\n${usage}`);
  const { output, record = cases === undefined, bundle, baseline } = values;
  return {
    ...{ cases, output, record, bundle, baseline },
    seconds: positive('--seconds', values.seconds),
    rounds: Math.round(positive('--rounds', values.rounds)),
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name} must be a number above zero, not ${JSON.stringify(text)}\n${usage}`);
  return value;
}
