import { Fatal } from '../../platform/fatal.ts';
import type { RecordStore } from '../storage/records.ts';
import { lastJournaled } from './base.ts';
import { findStepBack, type StepBack, type StepBackParts } from './step-back.ts';

/**
 * Keeps a registry from starting on metadata that lost what the journal knows: clients would find nothing, and what they push
 * would mix with what is brought back later. A database server that failed over may lack its last commits, and goes on.
 * @throws Fatal that says what to do
 */
export async function refuseLostHistory(parts: {
  metadata: StepBackParts['metadata'];
  journal: Pick<RecordStore, 'list' | 'get'>;
  /** The metadata is on a server of its own. */
  mayStepBack: boolean;
}): Promise<void> {
  if (parts.mayStepBack) await refuseLongStepBack({ metadata: parts.metadata, records: parts.journal });
  const known = await lastJournaled(parts.journal);
  const last = await parts.metadata.lastSequence();
  if (last >= known || (parts.mayStepBack && last > 0)) return;
  throw lostHistory({ journal: known, metadata: last });
}

/** What a failover explains. @throws Fatal where the metadata lacks more than that */
export async function refuseLongStepBack(parts: StepBackParts): Promise<StepBack | undefined> {
  const found = await findStepBack(parts);
  if (found?.long === true) throw lostHistory(found);
  return found;
}

function lostHistory({ journal, metadata }: Pick<StepBack, 'journal' | 'metadata'>): Fatal {
  const state = metadata === 0 ? 'is empty' : `ends at change ${metadata}`;
  return new Fatal(
    `the metadata ${state}, and the journal beside the blobs knows ${journal} changes: it was lost or replaced by an older one. Run \`ne-registry admin restore\` with the same --data or --config to bring it back (with PostgreSQL into an empty database). To go on from what the metadata has on purpose, or to begin anew, stop every replica and move the journal away first`,
  );
}
