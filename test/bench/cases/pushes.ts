import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../e2e/cluster/command.ts';
import type { Bench, Group } from '../bench.ts';
import { throughput } from '../load/load.ts';
import { measure } from '../measure.ts';
import { startDistribution } from '../peers/distribution.ts';
import { startOurs } from '../peers/ours.ts';
import type { Server } from '../peers/server.ts';
import type { CaseResult } from '../result.ts';
import { contenders } from './manifests.ts';

const promises = { against: { distribution: { floor: 1, goal: 1.5 } } };
/** Blobs of a burst of three seconds. */
const amounts = [
  { megabytes: 1, one: 120, eight: 240 },
  { megabytes: 10, one: 24, eight: 48 },
  { megabytes: 100, one: 3, eight: 8 },
];
const ways = [
  { way: 'monolithic', chunk: 0 },
  { way: 'chunked', chunk: 4 * 1024 * 1024 },
];

interface Push {
  readonly id: string;
  readonly megabytes: number;
  readonly way: string;
  readonly chunk: number;
  readonly connections: number;
  /** Of a burst of three seconds. */
  readonly blobs: number;
}

const cases: readonly Push[] = amounts.flatMap(({ megabytes, one, eight }) =>
  ways.flatMap(({ way, chunk }) =>
    [
      { connections: 1, blobs: one },
      { connections: 8, blobs: eight },
    ].map(({ connections, blobs }) => {
      const id = `push-${megabytes}mb-${way}-${connections}`;
      return { id, megabytes, way, chunk, connections, blobs };
    }),
  ),
);

/** New blobs. Ours are on the disk when they are acknowledged; the CNCF's registry does not sync. */
export const pushes: Group = {
  name: 'push',
  ids: cases.map(({ id }) => id),
  async *run(bench) {
    for (const one of cases) if (bench.wants(one.id)) yield await push(bench, one);
  },
};

function scaled({ seconds }: Bench, blobs: number, connections: number): number {
  return Math.max(connections, Math.round((blobs * seconds) / 3));
}

/** With fresh servers, so that the disk does not fill. */
async function push(bench: Bench, { id, megabytes, way, chunk, connections, ...burst }: Push): Promise<CaseResult> {
  const folder = await mkdtemp(join(bench.scratch, 'push-'));
  const servers: Server[] = [];
  try {
    const place = async (name: string) => {
      await mkdir(join(folder, name));
      return join(folder, name);
    };
    servers.push(await startOurs({ bundle: bench.bundle, folder: await place('ours') }));
    if (bench.baseline !== undefined)
      servers.push(await startOurs({ name: 'baseline', bundle: bench.baseline, folder: await place('baseline') }));
    servers.push(await startDistribution({ folder: await place('distribution') }));
    const blobs = scaled(bench, burst.blobs, connections);
    const load = { repository: 'bench/push', size: megabytes * 1e6, chunk, connections, blobs };
    return await measure(
      bench,
      {
        id,
        title: `push ${megabytes} MB, ${way}, ${connections} at a time`,
        unit: 'MB/s',
        promises,
        warmUp: false,
      },
      contenders(servers, async (server) => {
        const tally = await bench.load.push(server, load);
        // What is still to be written must not be paid for by who comes next.
        await run('sync', ['-f', folder]);
        return throughput(tally);
      }),
    );
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await rm(folder, { recursive: true, force: true });
  }
}
