import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { mediaTypes } from '../../../src/domain/oci/media-types.ts';
import { RegistryClient } from '../../../src/transfer/registry/client.ts';
import { run } from '../../e2e/cluster/command.ts';
import { type Place, pushBlob, pushImage } from '../../integration/transfer/images.ts';
import { truthOf } from '../../integration/transfer/truth.ts';
import type { Bench, Group } from '../bench.ts';
import { type Copier, copiers } from '../peers/copiers.ts';
import { startDistribution } from '../peers/distribution.ts';
import type { Server } from '../peers/server.ts';
import { type CaseDescription, type CaseResult, judge, type Sample } from '../result.ts';

const tags = 40;
const repository = 'bench/app';
/** Bytes: a base that all images share, and what each has of its own. */
const base = [3_000_000, 40_000_000];
const own = [60_000, 2_000_000];

const peers = ['crane', 'regsync', 'skopeo'];
const promises = { against: Object.fromEntries(peers.map((peer) => [peer, { floor: 1, goal: 1.2 }])) };
/** A pod that replicates may have 150 MB. */
const memory = { floor: 143, goal: 100, most: true };

/**
 * All tags of a repository from one registry to another, by the program that each offers for it: into an empty registry, and
 * once more when there is nothing left to do. Both registries are the CNCF's, so that nobody is helped by knowing his own.
 */
export const sync: Group = {
  name: 'sync',
  async *run(bench) {
    const folder = await mkdtemp(join(bench.scratch, 'sync-'));
    const source = await start(folder, 'source');
    const contenders = await copiers(bench.bundle);
    try {
      await fill(source);
      yield* cases(bench, { folder, source, contenders });
    } finally {
      for (const copier of contenders) copier.stop();
      await source.stop();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

interface Lab {
  readonly folder: string;
  readonly source: Server;
  readonly contenders: readonly Copier[];
}

async function start(folder: string, name: string): Promise<Server> {
  const place = join(folder, name);
  await mkdir(place, { recursive: true });
  return await startDistribution({ folder: place, name });
}

function placeOn({ host }: Server): Place {
  return { client: new RegistryClient(host, { credentials: async () => undefined }), repository };
}

async function fill(source: Server): Promise<void> {
  const place = placeOn(source);
  const layers = [];
  for (const size of base) layers.push(await pushLayer(place, size));
  for (let number = 0; number < tags; number++) {
    const more = await Promise.all(own.map((size) => pushLayer(place, size)));
    await pushImage(place, [], { tag: `v${number}`, layers: [...layers, ...more] });
  }
  place.client.close();
}

/** Compressed, because some would do that themselves and copy something else then. */
async function pushLayer(place: Place, size: number) {
  return await pushBlob(place, gzipSync(randomBytes(size), { level: 0 }), mediaTypes.ociLayerGzip);
}

async function* cases(bench: Bench, lab: Lab): AsyncGenerator<CaseResult> {
  const first = lab.contenders.map(({ name }) => ({ server: name, samples: [] as Sample[] }));
  const again = lab.contenders.map(({ name }) => ({ server: name, samples: [] as Sample[] }));
  const truth = JSON.stringify(await truthOf(placeOn(lab.source)));
  // The first round is a warm-up.
  for (let round = -1; round < bench.rounds; round++) {
    for (const [index, copier] of lab.contenders.entries()) {
      const target = await start(lab.folder, `${copier.name}-${round}`);
      try {
        const whole = await copy(lab, copier, target);
        // Nobody shall be fast by being wrong.
        if (JSON.stringify(await truthOf(placeOn(target))) !== truth)
          throw new Error(`${copier.name} did not copy all`);
        const nothing = await copy(lab, copier, target);
        if (round < 0) continue;
        first[index]?.samples.push(whole);
        again[index]?.samples.push(nothing);
      } finally {
        await target.stop();
        await rm(join(lab.folder, `${copier.name}-${round}`), { recursive: true, force: true });
        // What is still to be written must not be paid for by who comes next.
        await run('sync', ['-f', lab.folder]);
      }
    }
  }
  const describe = (id: string, title: string): CaseDescription => ({ id, title, unit: 'ms', promises, memory });
  for (const result of [
    judge(describe('sync-first', `copy ${tags} images into an empty registry, loopback`), first),
    judge(describe('sync-nothing', `compare ${tags} images that are there already, loopback`), again),
  ]) {
    bench.say(said(result));
    yield result;
  }
}

async function copy({ source, folder }: Lab, copier: Copier, target: Server): Promise<Sample> {
  const cost = await copier.copy({ from: source.host, to: target.host, repository, folder });
  const { milliseconds: value, cpuMicros, peakBytes } = cost;
  return { value, requests: 1, errors: 0, seconds: value / 1000, cpuMicros, peakBytes };
}

function said({ id, measurements, checks }: CaseResult): string {
  const values = measurements.map(({ server, samples }) => {
    const each = samples.map(({ value, cpuMicros, peakBytes: peak }) => {
      return `${value.toFixed(0)} ms (${(cpuMicros / 1e6).toFixed(2)} s cpu, ${(peak / 2 ** 20).toFixed(0)} MiB)`;
    });
    return `${server} ${each.join(' ')}`;
  });
  const verdicts = checks.map(({ of, value, verdict }) => `${of} ${value.toPrecision(3)} ${verdict}`);
  return `${id}: ${values.join(', ')}; ${verdicts.join(', ')}`;
}
