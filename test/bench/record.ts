import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { attempt } from '../e2e/cluster/command.ts';
import type { Options } from './options.ts';
import type { CaseResult } from './result.ts';
import { markdownTable } from './table.ts';

/** What a reader needs to judge the numbers. */
export interface Run {
  /** Day, ISO 8601. */
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  /** Load average of the minute before; and how many processors there are to carry it. */
  readonly load: number;
  readonly processors: number;
  readonly versions: Readonly<Record<string, string>>;
}

const root = join(import.meta.dirname, '../..');
const page = join(root, 'docs/performance.md');
const begin = '<!-- make bench: begin -->';
const end = '<!-- make bench: end -->';

export async function describeRun({ cases, seconds, rounds }: Options): Promise<Run> {
  const processor = cpus()[0]?.model ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  const chosen = cases === undefined ? '' : ` CASES=${cases.join(',')}`;
  return {
    date: new Date().toISOString().slice(0, 10),
    command: `make bench${chosen} BENCH_SECONDS=${seconds} BENCH_ROUNDS=${rounds}`,
    machine: `${availableParallelism()} × ${processor}, ${memory} GiB, Linux ${release()}, ${await fileSystem()}`,
    load: Number(loadavg()[0]?.toFixed(1)),
    processors: availableParallelism(),
    versions: {
      'ne-registry': await commit(),
      node: process.version,
      distribution: 'v3.1.2',
      nginx: await firstMatch('nginx', ['-v'], /nginx\/(\S+)/),
      wrk: await firstMatch('wrk', ['-v'], /wrk \S*?(\d[\d.]+)/),
    },
  };
}

/** Puts the table into docs/performance.md between its markers, and the raw numbers into results/. */
export async function record(run: Run, results: readonly CaseResult[]): Promise<void> {
  const folder = join(import.meta.dirname, 'results');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${run.date}.json`), `${JSON.stringify({ ...run, results }, rounded, 2)}\n`);
  await writeFile(page, withTable(await readFile(page, 'utf8'), run, results));
}

/** The page with what is between the markers replaced. Throws Error where the markers are not there. */
export function withTable(text: string, run: Run, results: readonly CaseResult[]): string {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/performance.md lacks the lines ${begin} and ${end}`);
  const versions = Object.entries(run.versions).map(([name, version]) => `${name} ${version}`);
  const body = [
    begin,
    `\`${run.command}\` on ${run.date}, ${run.machine}; ${versions.join(', ')}.`,
    ...busy(run),
    '',
    markdownTable(results),
    '',
  ];
  return `${text.slice(0, from)}${body.join('\n')}${text.slice(to)}`;
}

/** A machine of one's own is quiet before. */
function busy({ load, processors }: Run): string[] {
  if (load < processors / 2) return [];
  return [
    `**The machine was busy with other work (load average ${load} before): trust the processor times, not the rates.**`,
  ];
}

/** Four figures are all that a noisy machine gives. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}

async function commit(): Promise<string> {
  const { stdout, code } = await attempt('git', ['-C', root, 'rev-parse', '--short', 'HEAD']);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return code === 0 ? `${version} (${stdout.trim()})` : version;
}

async function fileSystem(): Promise<string> {
  const { stdout } = await attempt('stat', ['-f', '-c', '%T', '.']);
  return stdout.trim();
}

async function firstMatch(command: string, args: readonly string[], pattern: RegExp): Promise<string> {
  const { stdout, stderr } = await attempt(command, args);
  return pattern.exec(stdout + stderr)?.[1] ?? 'unknown';
}
