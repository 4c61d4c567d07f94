/**
 * `make bench`: ours and its peers side by side in one run, one table. Progress goes to standard error. Exit codes: 0 every
 * floor held, 1 one was missed (listed), 2 wrong command line.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../build/bundle.ts';
import { cacheRoot } from '../e2e/cluster/tools.ts';
import type { Bench, Group } from './bench.ts';
import { blobs } from './cases/blobs.ts';
import { crowd } from './cases/crowd.ts';
import { encrypted } from './cases/encrypted.ts';
import { features } from './cases/features.ts';
import { lists } from './cases/lists.ts';
import { manifests } from './cases/manifests.ts';
import { pushes } from './cases/pushes.ts';
import { remote } from './cases/remote.ts';
import { start } from './cases/start.ts';
import { sync } from './cases/sync.ts';
import { syncLink } from './cases/sync-link.ts';
import { syncMany } from './cases/sync-many.ts';
import { syncShared } from './cases/sync-shared.ts';
import { prepareLoad } from './load/load.ts';
import { type Options, parseOptions } from './options.ts';
import { describeRun, record } from './record.ts';
import type { CaseResult } from './result.ts';
import { markdownTable, missed } from './table.ts';

const groups: readonly Group[] = [
  manifests,
  blobs,
  pushes,
  lists,
  encrypted,
  crowd,
  features,
  start,
  remote,
  sync,
  syncLink,
  syncMany,
  syncShared,
];

async function prepare(options: Options, scratch: string): Promise<Bench> {
  const cache = join(cacheRoot(), 'bench');
  await mkdir(cache, { recursive: true });
  const made = options.bundle ?? join(scratch, 'dist');
  if (options.bundle === undefined) await bundle(made);
  const { baseline, seconds, rounds } = options;
  const load = await prepareLoad(scratch);
  return { scratch, cache, bundle: made, baseline, seconds, rounds, load, wants: (id) => wants(options, id), say };
}

function wants({ cases }: Options, id: string): boolean {
  return (
    cases === undefined ||
    cases.includes(id) ||
    groups.some(({ name, ids }) => cases.includes(name) && ids?.includes(id))
  );
}

function chosen({ cases }: Options, { name, ids }: Group): boolean {
  return cases === undefined || cases.includes(name) || ids?.some((id) => cases.includes(id)) === true;
}

function say(line: string): void {
  process.stderr.write(`[bench] ${line}\n`);
}

interface Outcome {
  readonly results: readonly CaseResult[];
  /** Groups that could not be measured, and why. */
  readonly failures: readonly string[];
}

async function perform(options: Options): Promise<Outcome> {
  const scratch = await mkdtemp(join(tmpdir(), 'ne-bench-'));
  try {
    const bench = await prepare(options, scratch);
    const results: CaseResult[] = [];
    const failures: string[] = [];
    for (const group of groups) {
      if (!chosen(options, group)) continue;
      try {
        for await (const result of group.run(bench)) results.push(result);
      } catch (error) {
        say(String(error instanceof Error ? error.stack : error));
        failures.push(`${group.name}: could not be measured`);
      }
    }
    return { results, failures };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function main(): Promise<number> {
  const options = parseOptions(
    process.argv.slice(2),
    groups.flatMap(({ name, ids = [] }) => [name, ...ids]),
  );
  const run = await describeRun(options);
  const { results, failures } = await perform(options);
  console.log(options.output === 'json' ? JSON.stringify({ ...run, results }, null, 2) : markdownTable(results));
  if (options.record) await record(run, results);
  const short = [...missed(results), ...failures];
  for (const line of short) say(`MISSED ${line}`);
  return short.length === 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
process.exitCode = await main().catch((error: Error) => {
  say(error.message.includes('usage:') ? error.message : String(error.stack));
  return 2;
});
