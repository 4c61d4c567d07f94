import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench, Group } from '../bench.ts';
import { ask } from '../peers/answers.ts';
import { startDistribution } from '../peers/distribution.ts';
import { startOurs } from '../peers/ours.ts';
import type { Server } from '../peers/server.ts';
import { peakBytes } from '../process.ts';
import { judge, type Sample } from '../result.ts';
import * as seed from '../seed.ts';

/** From the start of the process to its first answer, with 100,000 images in one repository and in as many repositories. */
export const start: Group = {
  name: 'start',
  async *run(bench) {
    const folder = await mkdtemp(join(bench.scratch, 'start-'));
    try {
      for (const name of ['ours', 'distribution']) await mkdir(join(folder, name));
      await seed.copyOf(await seed.seedOurs(bench), join(folder, 'ours'));
      const storage = ['  filesystem:', `    rootdirectory: ${await seed.seedDistribution(bench.cache)}`];
      const starters = {
        ours: () => startOurs({ bundle: bench.bundle, folder: join(folder, 'ours') }),
        distribution: () => startDistribution({ folder: join(folder, 'distribution'), storage }),
      };
      yield await starts(bench, starters);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function starts(bench: Bench, starters: Readonly<Record<string, () => Promise<Server>>>) {
  const samples = new Map<string, Sample[]>();
  // The first start of each is a warm-up.
  for (let round = -1; round < bench.rounds; round++) {
    for (const [name, starter] of Object.entries(starters)) {
      const sample = await once(starter);
      if (round >= 0) samples.set(name, [...(samples.get(name) ?? []), sample]);
    }
  }
  const measurements = [...samples].map(([server, taken]) => ({ server, samples: taken }));
  const result = judge(
    {
      id: 'start',
      title: 'process start to first answer, 200,000 images',
      unit: 'ms',
      promises: { value: { floor: 300, goal: 200, most: true } },
    },
    measurements,
  );
  for (const { server, samples: taken } of measurements)
    bench.say(`start: ${server} ${taken.map(({ value }) => value.toFixed(0)).join(', ')} ms`);
  return result;
}

async function once(starter: () => Promise<Server>): Promise<Sample> {
  const began = performance.now();
  const server = await starter();
  const value = performance.now() - began;
  try {
    const { status } = await ask(server, `/v2/${seed.tagsRepository}/tags/list?n=1`);
    if (status !== 200) throw new Error(`${server.name} started, and answers a list with ${status}`);
    return { value, requests: 1, errors: 0, seconds: value / 1000, cpuMicros: 0, peakBytes: peakBytes(server.pids()) };
  } finally {
    await server.stop();
  }
}
