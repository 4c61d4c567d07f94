import type { Bench, Group } from '../bench.ts';
import type { Copier } from '../peers/copiers.ts';
import { type Line, openLine } from '../peers/line.ts';
import type { Sample } from '../result.ts';
import { images, repository } from './sync.ts';
import { against, fill, memory, openSyncLab, placeOn, type SyncLab, sameImages, Tally, timed } from './sync-lab.ts';

const rate = '100mbit';
const delayMs = 25;
/** Seconds after which one is given up: it has missed by then. */
const patience = 30;

/**
 * The first copy of the same images over a slow link: a network namespace with the target in it, 100 Mbit/s each way (tc-tbf(8)), and
 * a program in front of the target that holds back everything for 25 ms each way, handshakes too. TCP's slow start is not part of it.
 */
export const syncLink: Group = {
  name: 'sync-link',
  async *run(bench) {
    const lab = await openSyncLab(bench, 'registry');
    const line = await openLine({ rate, delayMs });
    const tally = new Tally();
    try {
      await fill(placeOn(lab.source, repository), images);
      // What was compiled before the first copy of a pod's life is no matter of links.
      for (const copier of lab.copiers.slice(0, 1)) await over(bench, { lab, copier, line: undefined, tally });
      for (let round = 0; round < bench.rounds; round++)
        for (const copier of lab.copiers) tally.add(copier.name, await over(bench, { lab, copier, line, tally }));
    } finally {
      await line.close();
      await lab.close();
    }
    const title = `copy ${images.tags} images from a Registry to another, empty one; 50 ms, 100 Mbit/s`;
    const promises = against(1, 1.2);
    yield tally.result(bench, { id: 'sync-link-first', title, unit: 'ms', promises, memory });
  },
};

interface Over {
  readonly lab: SyncLab;
  readonly copier: Copier;
  readonly line: Line | undefined;
  readonly tally: Tally;
}

async function over(bench: Bench, { lab, copier, line, tally }: Over): Promise<Sample> {
  const target = await lab.target(line);
  const behind = line && (await line.delayed(target.host, lab.folder));
  try {
    const route = { to: behind?.host ?? target.host, repositories: [repository], patience };
    const sample = await timed(lab, copier, route);
    bench.say(`${copier.name}: ${(sample.value / 1000).toFixed(2)} s`);
    if (sample.givenUp) tally.note(`${copier.name} was stopped after ${patience} s`);
    else if (!(await sameImages(lab.source, target, repository))) throw new Error(`${copier.name} did not copy all`);
    return sample;
  } finally {
    await behind?.stop();
    await target.stop();
  }
}
