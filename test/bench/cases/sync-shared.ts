import { createHash, randomBytes } from 'node:crypto';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { mediaTypes } from '../../../src/domain/oci/media-types.ts';
import { writeBlob } from '../../../src/transfer/registry/blob-writer.ts';
import { type Place, type PushedDescriptor, pushImage } from '../../integration/transfer/images.ts';
import type { Bench, Group } from '../bench.ts';
import type { Copier } from '../peers/copiers.ts';
import { type Line, openLine } from '../peers/line.ts';
import { against, memory, openSyncLab, placeOn, type SyncLab, sameImages, Tally, timed } from './sync-lab.ts';

const layer = 500_000_000;
const images = 50;
const repositories = ['bench/one', 'bench/two'] as const;
/** What else there is: manifests, configs, questions, and the headers of a hundred thousand packets. */
const aim = { floor: (layer * 1.05) / 1e6, goal: (layer * 1.02) / 1e6, most: true };

/**
 * A layer of 500 MB in fifty images, which are in two repositories: how much of it crosses a link (a network namespace, as fast as the
 * machine), counted by the kernel in both directions; and how long that takes.
 */
export const syncShared: Group = {
  name: 'sync-shared',
  async *run(bench) {
    const lab = await openSyncLab(bench, 'registry');
    const line = await openLine();
    const [crossed, times] = [new Tally(), new Tally()];
    try {
      await fillShared(lab);
      for (const copier of lab.copiers) {
        const { megabytes, sample } = await over(bench, { lab, copier, line });
        times.add(copier.name, sample);
        crossed.add(copier.name, { ...sample, value: megabytes });
      }
    } finally {
      await line.close();
      await lab.close();
    }
    const what = `a layer of 500 MB in ${images} images of two repositories, from a Registry to another, empty one`;
    yield crossed.result(bench, {
      id: 'sync-shared-bytes',
      title: `${what}: what crosses the link`,
      unit: 'MB',
      promises: { value: aim },
      memory,
    });
    yield times.result(bench, {
      id: 'sync-shared-time',
      title: `${what}: how long it takes`,
      unit: 'ms',
      promises: against(1, 1.2),
      memory,
    });
  },
};

async function fillShared({ source }: SyncLab): Promise<void> {
  const { digest, open } = makeLayer();
  const [first] = repositories;
  for (const repository of repositories) {
    const place = placeOn(source, repository);
    const mountFrom = repository === first ? {} : { mountFrom: first };
    const blob = { repository, digest, size: layer, ...mountFrom, open };
    await writeBlob(place.client, blob, new AbortController().signal);
    await tagAll(place, { digest, size: layer, mediaType: mediaTypes.ociLayerGzip });
  }
}

async function tagAll(place: Place, shared: PushedDescriptor): Promise<void> {
  for (let number = 0; number < images / repositories.length; number++)
    await pushImage(place, [], { tag: `v${number}`, layers: [shared] });
}

async function over(
  bench: Bench,
  { lab, copier, line }: { readonly lab: SyncLab; readonly copier: Copier; readonly line: Line },
) {
  const target = await lab.target(line);
  try {
    const before = await line.carried();
    const sample = await timed(lab, copier, { to: target.host, repositories, patience: 60 });
    const megabytes = ((await line.carried()) - before) / 1e6;
    bench.say(`${copier.name}: ${megabytes.toFixed(1)} MB, ${(sample.value / 1000).toFixed(1)} s`);
    for (const repository of repositories)
      if (!(await sameImages(lab.source, target, repository))) throw new Error(`${copier.name} did not copy all`);
    return { megabytes, sample };
  } finally {
    await target.stop();
  }
}

/** Bytes that begin like gzip's, so that nobody compresses them, and that no program looks into. */
function makeLayer(): { readonly digest: Digest; open(offset: number): AsyncGenerator<Buffer> } {
  const piece = randomBytes(1_000_000);
  const first = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), piece.subarray(4)]);
  const pieces = Array.from({ length: layer / piece.length }, (_, index) => (index === 0 ? first : piece));
  const hash = createHash('sha256');
  for (const each of pieces) hash.update(each);
  return {
    digest: `sha256:${hash.digest('hex')}`,
    async *open(offset) {
      let at = 0;
      for (const each of pieces) {
        if (at + each.length > offset) yield each.subarray(Math.max(0, offset - at));
        at += each.length;
      }
    },
  };
}
