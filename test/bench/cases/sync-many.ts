import { copyImage } from '../../../src/transfer/copy/copy-image.ts';
import { discard } from '../../../src/transfer/http/wire.ts';
import { RegistryImage } from '../../../src/transfer/image/registry-image.ts';
import { getManifest } from '../../../src/transfer/registry/manifests.ts';
import type { Place } from '../../integration/transfer/images.ts';
import type { Group } from '../bench.ts';
import type { Server } from '../peers/server.ts';
import { repository } from './sync.ts';
import { against, fill, memory, openSyncLab, placeOn, type SyncLab, Tally, timed } from './sync-lab.ts';

const images = { tags: 100, base: [20_000], own: [2000] } as const;
/** Tags of each image. */
const names = 100;
const amount = (images.tags * names).toLocaleString('en');
/** Seconds after which one is given up: it has missed by then. */
const patience = 15;

/** A pass over 10,000 tags when there is nothing to do: 100 images with a hundred tags each, at both ends before anybody looks. */
export const syncMany: Group = {
  name: 'sync-many',
  async *run(bench) {
    const lab = await openSyncLab(bench, 'registry');
    const tally = new Tally();
    try {
      const target = await seeded(lab);
      const route = { to: target.host, repositories: [repository], patience };
      const [ours, ...others] = lab.copiers;
      if (ours !== undefined) {
        // The first pass of a rule takes note of what is there.
        await timed(lab, ours, route);
        for (let round = 0; round < bench.rounds; round++) {
          const sample = await timed(lab, ours, route);
          bench.say(`${ours.name}: ${sample.value.toFixed(0)} ms`);
          tally.add(ours.name, sample);
        }
      }
      // Seconds each: once is enough.
      for (const copier of others) {
        const sample = await timed(lab, copier, route);
        tally.add(copier.name, sample);
        bench.say(`${copier.name}: ${(sample.value / 1000).toFixed(1)} s`);
        if (sample.givenUp) tally.note(`${copier.name} was stopped after ${patience} s`);
      }
    } finally {
      await lab.close();
    }
    const title = `compare ${amount} tags of a Registry with another's, which has them all; loopback`;
    yield tally.result(bench, { id: 'sync-many-nothing', title, unit: 'ms', promises: against(5, 10), memory });
  },
};

async function seeded({ source, target }: SyncLab): Promise<Server> {
  const from = placeOn(source, repository);
  await fill(from, images);
  const server = await target();
  const to = placeOn(server, repository);
  const signal = new AbortController().signal;
  const [here, there] = [from, to].map(({ client }) => new RegistryImage(client, repository)) as [
    RegistryImage,
    RegistryImage,
  ];
  for (let image = 0; image < images.tags; image++)
    await copyImage({ source: here, target: there, image: `v${image}`, tag: `v${image}`, signal });
  await Promise.all([from, to].map((place) => tagged(place, signal)));
  return server;
}

/** All but the first name of each image, which it has: a request for each image, as our registries take it. */
async function tagged({ client }: Place, signal: AbortSignal): Promise<void> {
  for (let image = 0; image < images.tags; image++) {
    const manifest = await getManifest(client, repository, `v${image}`, signal);
    const tags = Array.from({ length: names - 1 }, (_, name) => ['tag', `v${image}-${name + 1}`]);
    const answer = await client.request({
      method: 'PUT',
      path: `/v2/${repository}/manifests/${manifest.digest}?${new URLSearchParams(tags)}`,
      scopes: [],
      what: 'give an image its names',
      accept: [201],
      headers: { 'content-type': manifest.mediaType },
      body: manifest.bytes,
      signal,
    });
    discard(answer);
  }
}
