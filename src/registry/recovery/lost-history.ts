import { Fatal } from '../../platform/fatal.ts';
import type { Recovery } from '../metadata/recovery.ts';
import type { RecordStore } from '../storage/records.ts';
import { lastJournaled } from './base.ts';

/**
 * Keeps a registry from starting on metadata that lost what the journal knows: clients would find nothing, and what they push
 * would mix with what is brought back later. A database server that failed over may lack its last commits, and goes on.
 * @throws Fatal that says what to do
 */
export async function refuseLostHistory(parts: {
  metadata: Pick<Recovery, 'lastSequence'>;
  journal: Pick<RecordStore, 'list'>;
  /** The metadata is on a server of its own. */
  mayStepBack: boolean;
}): Promise<void> {
  const known = await lastJournaled(parts.journal);
  const last = await parts.metadata.lastSequence();
  if (last >= known || (parts.mayStepBack && last > 0)) return;
  const state = last === 0 ? 'is empty' : `ends at change ${last}`;
  throw new Fatal(
    `the metadata ${state}, and the journal beside the blobs knows ${known} changes: it was lost or replaced by an older one. Run \`ne-registry admin restore\` with the same --data or --config to bring it back. To begin anew on purpose, move the journal away first`,
  );
}
