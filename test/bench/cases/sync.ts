import { truthOf } from '../../integration/transfer/truth.ts';
import type { Bench, Group } from '../bench.ts';
import type { Copier } from '../peers/copiers.ts';
import type { CaseDescription, CaseResult, Sample } from '../result.ts';
import { against, fill, type Kind, memory, openSyncLab, placeOn, type SyncLab, Tally, timed } from './sync-lab.ts';

/** Bytes: a base that all images share, and what each has of its own. 53 MB in all. */
export const images = { tags: 40, base: [3_000_000, 15_000_000], own: [60_000, 800_000] } as const;
export const repository = 'bench/app';

/**
 * All tags of a repository from one registry to another, by what each offers for it: into an empty registry, and once more when there
 * is nothing left to do. Once between two of ours, where the rule is the source's; and once between two of the CNCF's, so that
 * nobody is helped by knowing his own, with the rule in a third registry.
 */
export const sync: Group = {
  name: 'sync',
  async *run(bench) {
    yield* copies(bench, 'registry', 'from a Registry to another');
    yield* copies(bench, 'distribution', 'from a distribution to another');
  },
};

async function* copies(bench: Bench, kind: Kind, route: string): AsyncGenerator<CaseResult> {
  const lab = await openSyncLab(bench, kind);
  const tallies = { first: new Tally(), again: new Tally() };
  try {
    const source = placeOn(lab.source, repository);
    await fill(source, images);
    const truth = JSON.stringify(await truthOf(source));
    // The first round is a warm-up.
    for (let round = -1; round < bench.rounds; round++)
      for (const copier of lab.copiers) {
        const { first, again } = await twice(lab, copier, truth);
        if (round < 0) continue;
        tallies.first.add(copier.name, first);
        tallies.again.add(copier.name, again);
      }
  } finally {
    await lab.close();
  }
  const describe = (id: string, title: string): CaseDescription => {
    return { id: `sync-${kind}-${id}`, title, unit: 'ms', promises: against(1, 1.2), memory };
  };
  yield tallies.first.result(bench, describe('first', `copy ${images.tags} images ${route}, empty one; loopback`));
  yield tallies.again.result(bench, describe('again', `compare the same when they are there, ${route}; loopback`));
}

async function twice(lab: SyncLab, copier: Copier, truth: string): Promise<{ first: Sample; again: Sample }> {
  const target = await lab.target();
  const route = { to: target.host, repositories: [repository] };
  const first = await timed(lab, copier, route);
  const again = await timed(lab, copier, route);
  // Nobody shall be fast by being wrong.
  if (JSON.stringify(await truthOf(placeOn(target, repository))) !== truth)
    throw new Error(`${copier.name} did not copy all`);
  await target.stop();
  return { first, again };
}
