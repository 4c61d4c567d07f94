import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench, Group } from '../bench.ts';
import { latency } from '../load/load.ts';
import { measure } from '../measure.ts';
import { ask } from '../peers/answers.ts';
import { startDistribution } from '../peers/distribution.ts';
import { startOurs } from '../peers/ours.ts';
import type { Server } from '../peers/server.ts';
import * as seed from '../seed.ts';
import { contenders } from './manifests.ts';

const promises = {
  against: { distribution: { floor: 50, goal: 100 } },
  p99: { floor: 5, goal: 2, most: true },
};
const page = 100;
/** Where a page begins; the last one ends with the list. */
const depths = [
  { depth: 'the beginning', after: undefined },
  { depth: 'the middle', after: seed.amount / 2 },
  { depth: 'the end', after: seed.amount - page - 1 },
];

/** Pages of tags and of the catalog, one client, time of an answer; and referrers, which the CNCF's registry does not have. */
export const lists: Group = {
  name: 'list',
  async *run(bench) {
    const folder = await mkdtemp(join(bench.scratch, 'list-'));
    const servers = await start(bench, folder);
    try {
      for (const { id, title, path, member, name } of subjects)
        for (const { depth, after } of depths) {
          const target = `${path}?n=${page}${after === undefined ? '' : `&last=${encodeURIComponent(name(after))}`}`;
          const first = after === undefined ? 0 : after + 1;
          for (const server of servers) await verifyPage(server, target, { member, first, name });
          yield await measure(
            bench,
            { id: `${id}-${depth.replace('the ', '')}`, title: `${title}, at ${depth}`, unit: 'ms', promises },
            contenders(servers, async (server, seconds) =>
              latency(await bench.load.ask(server, [target], { method: 'GET', connections: 1, seconds })),
            ),
          );
        }
      yield* referrers(bench, servers.slice(0, 1));
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
      await rm(folder, { recursive: true, force: true });
    }
  },
};

const subjects = [
  {
    id: 'tags',
    title: `a page of 100 of 100,000 tags`,
    path: `/v2/${seed.tagsRepository}/tags/list`,
    member: 'tags',
    name: seed.tagName,
  },
  {
    id: 'catalog',
    title: `a page of 100 of 100,000 repositories`,
    path: '/v2/_catalog',
    member: 'repositories',
    name: seed.repositoryName,
  },
] as const;

async function start(bench: Bench, folder: string): Promise<Server[]> {
  bench.say(`making stores with ${seed.amount} tags and as many repositories, unless they are kept from before`);
  await mkdir(join(folder, 'ours'));
  await mkdir(join(folder, 'distribution'));
  await seed.copyOf(await seed.seedOurs(bench), join(folder, 'ours'));
  const storage = ['  filesystem:', `    rootdirectory: ${await seed.seedDistribution(bench.cache)}`];
  return [
    await startOurs({ bundle: bench.bundle, folder: join(folder, 'ours') }),
    await startDistribution({ folder: join(folder, 'distribution'), storage }),
  ];
}

interface Expected {
  readonly member: string;
  readonly first: number;
  readonly name: (index: number) => string;
}

/** The first page of the catalog begins with what sorts before `many/`. */
async function verifyPage(server: Server, target: string, { member, first, name }: Expected): Promise<void> {
  const { status, body } = await ask(server, target);
  assert.equal(status, 200, `${server.name} answers GET ${target} with ${status}: ${body}`);
  const all = (JSON.parse(body.toString()) as Record<string, string[]>)[member] ?? [];
  const found = all.filter((entry) => !entry.startsWith('bench/'));
  const expected = found.map((_, index) => name(first + index));
  assert.deepEqual(found, expected, `${server.name} answers GET ${target} with other entries`);
  assert.equal(all.length, page, `${server.name} answers GET ${target} with ${all.length} entries`);
}

async function* referrers(bench: Bench, servers: readonly Server[]) {
  for (const count of seed.referrerCounts) {
    const target = `/v2/${seed.referrersRepository}/referrers/${seed.subjectWith(count)}`;
    for (const server of servers) {
      const { status, body } = await ask(server, target);
      const index = JSON.parse(body.toString()) as { manifests?: unknown[] };
      assert.equal(status, 200);
      assert.ok((index.manifests?.length ?? 0) >= Math.min(count, page), `${server.name} lists ${body.length} bytes`);
    }
    yield await measure(
      bench,
      { id: `referrers-${count}`, title: `referrers of a manifest that has ${count}`, unit: 'ms' },
      contenders(servers, async (server, seconds) =>
        latency(await bench.load.ask(server, [target], { method: 'GET', connections: 1, seconds })),
      ),
    );
  }
}
