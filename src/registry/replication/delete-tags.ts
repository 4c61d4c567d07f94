import { standOf } from '../../domain/replication/version.ts';
import { bounded } from '../../transfer/copy/bounded.ts';
import type { RuleContext } from './context.ts';
import { failureOf } from './failure.ts';
import type { Deletion } from './notes.ts';
import type { Failure } from './pending.ts';

const atOnce = 4;

/**
 * Deletes what a comparison found to be gone, unless that has changed since; what fails is found again by the next one.
 * @returns what failed
 */
export async function deleteFound(
  context: RuleContext,
  deletions: readonly Deletion[],
  signal: AbortSignal,
): Promise<Failure[]> {
  const failures: Failure[] = [];
  await bounded(deletions, atOnce, signal, async (deletion, both) => {
    try {
      await deleteOne(context, deletion, both);
    } catch (error) {
      both.throwIfAborted();
      const { repository, tag, target } = deletion;
      const failure = failureOf(error, context.now());
      failures.push(failure);
      const { reason } = failure;
      context.log.warn(
        { rule: context.loaded.name, target, reference: `${repository}:${tag}`, reason, err: error },
        'a deletion failed; it is tried again',
      );
    }
  });
  return failures;
}

async function deleteOne(
  context: RuleContext,
  { repository, tag, target, finding }: Deletion,
  signal: AbortSignal,
): Promise<void> {
  const { source, metadata, loaded, log } = context;
  const { place, to } = finding;
  const [here, there] = await Promise.all([source.look(repository, [tag], signal), place.side.look(to, [tag], signal)]);
  const origin = here.tags.get(tag);
  const live = there.tags.get(tag);
  const back = origin !== undefined && origin.deleted === undefined;
  const other = live?.digest !== (finding.target?.digest ?? finding.copy?.digest);
  // Somebody was quicker: the next comparison sees how it is now.
  if (back || other || live?.digest === undefined) return;
  const stand = origin?.digest === undefined ? undefined : standOf({ ...origin, digest: origin.digest });
  const versioned = finding.decision.action === 'delete' && finding.decision.versioned;
  const gone = await place.side.deleteTag(
    { repository: to, tag, digest: live.digest, ...(versioned && stand !== undefined && { version: stand }) },
    signal,
  );
  await metadata.putCopies(loaded.name, target, [], [{ repository, tag }]);
  if (gone)
    log.info({ rule: loaded.name, target, reference: `${repository}:${tag}` }, 'deleted what the source deleted');
}
