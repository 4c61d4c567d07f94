import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { mediaTypes } from '../../../src/domain/oci/media-types.ts';
import { RegistryClient } from '../../../src/transfer/registry/client.ts';
import { readTags } from '../../../src/transfer/registry/listing.ts';
import { headManifest } from '../../../src/transfer/registry/manifests.ts';
import { run } from '../../e2e/cluster/command.ts';
import { type Place, pushBlob, pushImage } from '../../integration/transfer/images.ts';
import { LookOut } from '../../integration/transfer/truth.ts';
import type { Bench } from '../bench.ts';
import { type Copier, programs } from '../peers/copiers.ts';
import { startDistribution } from '../peers/distribution.ts';
import type { Line } from '../peers/line.ts';
import { startOurs } from '../peers/ours.ts';
import { rules } from '../peers/rules.ts';
import type { Server } from '../peers/server.ts';
import { pause } from '../process.ts';
import { type CaseResult, judge, type Sample } from '../result.ts';
import { makeUser, type User } from '../users.ts';

const peers = ['crane', 'regsync', 'skopeo'];
/** A pod that replicates may have 150 MB. */
export const memory = { floor: 143, goal: 100, most: true };

/** The same against each of the peers. */
export function against(floor: number, goal: number) {
  return { against: Object.fromEntries(peers.map((peer) => [peer, { floor, goal }])) };
}

/** What registries the images are in: ours (`Registry`), or the CNCF's, which nobody is helped by knowing. */
export type Kind = 'registry' | 'distribution';

/** A source, and who copies from it: ours first. */
export interface SyncLab {
  readonly folder: string;
  readonly source: Server;
  readonly copiers: readonly Copier[];
  /** Another, empty registry of the same kind, at the far end of `line` where there is one. */
  target(line?: Line): Promise<Server>;
  close(): Promise<void>;
}

export async function openSyncLab(bench: Bench, kind: Kind): Promise<SyncLab> {
  const folder = await mkdtemp(join(bench.scratch, 'sync-'));
  const servers: Server[] = [];
  const user = await makeUser(folder);
  const start = async (name: string, as: Kind, line?: Line) => {
    const server = await started(bench, { folder, name, as, user, line });
    servers.push(server);
    return server;
  };
  // Between two other registries the work is done by one that has none of the images.
  const registry = await start('registry', 'registry');
  const source = kind === 'registry' ? registry : await start('source', kind);
  let targets = 0;
  return {
    folder,
    source,
    copiers: [rules(registry), ...(await programs(bench.bundle))],
    target: async (line) => {
      const name = `target-${targets++}`;
      const server = await start(name, kind, line);
      return { ...server, stop: () => gone(server, join(folder, name)) };
    },
    async close() {
      for (const server of servers) await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What is still to be written must not be paid for by who comes next. */
async function gone(server: Server, folder: string): Promise<void> {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
  await run('sync', ['-f', join(folder, '..')]);
}

interface Start {
  readonly folder: string;
  readonly name: string;
  readonly as: Kind;
  readonly user: User;
  readonly line: Line | undefined;
}

/** Everybody may push; what a rule does besides needs an administrator. */
async function started({ bundle }: Bench, { folder, name, as, user, line }: Start): Promise<Server> {
  const place = join(folder, name);
  await mkdir(place, { recursive: true });
  if (as === 'distribution') return await startDistribution({ folder: place, name });
  const auth = { anonymous: 'Push' as const, htpasswdFiles: [user.htpasswd], administrators: ['bench'] };
  const server = await startOurs({ name, bundle, folder: place, document: { auth }, at: line });
  return { ...server, authorization: user.authorization };
}

export function placeOn({ host }: Pick<Server, 'host'>, repository: string): Place {
  const trust = () => ({ plainHttp: true });
  return { client: new RegistryClient(host, { credentials: async () => undefined, trust }), repository };
}

/** Compressed, because some would do that themselves and copy something else then. */
export async function pushLayer(place: Place, size: number) {
  return await pushBlob(place, gzipSync(randomBytes(size), { level: 0 }), mediaTypes.ociLayerGzip);
}

/** Images with a base that all share, and layers of their own. Sizes in bytes. */
export async function fill(
  place: Place,
  { tags, base, own }: { readonly tags: number; readonly base: readonly number[]; readonly own: readonly number[] },
): Promise<void> {
  const layers = [];
  for (const size of base) layers.push(await pushLayer(place, size));
  for (let number = 0; number < tags; number++) {
    const more = await Promise.all(own.map((size) => pushLayer(place, size)));
    await pushImage(place, [], { tag: `v${number}`, layers: [...layers, ...more] });
  }
}

/** The samples of one case while they come in. */
export class Tally {
  readonly #samples = new Map<string, Sample[]>();
  readonly #notes = new Set<string>();

  add(name: string, sample: Sample): void {
    this.#samples.set(name, [...(this.#samples.get(name) ?? []), sample]);
  }

  note(text: string): void {
    this.#notes.add(text);
  }

  result(bench: Bench, description: Parameters<typeof judge>[0]): CaseResult {
    const measurements = [...this.#samples].map(([server, samples]) => ({ server, samples }));
    const notes = [...this.#notes].join('; ');
    const result = judge(description, measurements, notes === '' ? undefined : notes);
    bench.say(said(result));
    return result;
  }
}

/** One copy as a sample. */
export async function timed(
  lab: SyncLab,
  copier: Copier,
  route: { readonly to: string; readonly repositories: readonly string[]; readonly patience?: number },
): Promise<Sample & { readonly givenUp: boolean }> {
  const cost = await copier.copy({ from: lab.source.host, folder: lab.folder, ...route });
  const { milliseconds: value, cpuMicros, peakBytes, givenUp = false } = cost;
  return { value, requests: 1, errors: 0, seconds: value / 1000, cpuMicros, peakBytes, givenUp };
}

function said({ id, unit, measurements, checks, note }: CaseResult): string {
  const values = measurements.map(({ server, samples }) => {
    const each = samples.map(({ value, cpuMicros, peakBytes: peak }) => {
      return `${value.toFixed(0)} ${unit} (${(cpuMicros / 1e6).toFixed(2)} s cpu, ${(peak / 2 ** 20).toFixed(0)} MiB)`;
    });
    return `${server} ${each.join(' ')}`;
  });
  const verdicts = checks.map(({ of, value, verdict }) => `${of} ${value.toPrecision(3)} ${verdict}`);
  return `${id}: ${values.join(', ')}; ${verdicts.join(', ')}${note === undefined ? '' : `; ${note}`}`;
}

/** Whether both have the same tags, and the target all that they need: asked for, not read. */
export async function sameImages(source: Server, target: Server, repository: string): Promise<boolean> {
  const lookOut = new LookOut(placeOn(target, repository));
  while (lookOut.rounds === 0) await pause(20);
  const [incomplete, here, there] = await Promise.all([
    lookOut.stop(),
    digests(source, repository),
    digests(target, repository),
  ]);
  return incomplete.length === 0 && here === there;
}

async function digests(server: Server, repository: string): Promise<string> {
  const { client } = placeOn(server, repository);
  const signal = AbortSignal.timeout(60_000);
  const { tags } = await readTags(client, repository, signal);
  const found: string[] = [];
  for (const tag of tags.toSorted())
    found.push(`${tag} ${(await headManifest(client, repository, tag, signal))?.digest}`);
  client.close();
  return found.join('\n');
}
