import type { RegistryBootstrap } from '../api/bootstrap/v1alpha1.ts';
import type { Log } from '../platform/log.ts';
import type { MetricsRegistry } from '../platform/metrics.ts';
import { openJournalRecords, openTargetRecords } from './records.ts';
import { type RunningRecovery, startRecovery } from './recovery/start.ts';
import type { Stores } from './stores.ts';

/**
 * Begins to keep what survives the loss of the metadata, in the places that the document names.
 * @throws Fatal where the metadata lost what the journal knows, or a place cannot be used
 */
export async function keepSafe(
  document: Pick<RegistryBootstrap, 'storage' | 'metadata' | 'backup'>,
  parts: { stores: Stores; register: MetricsRegistry; log: Log; now(): number },
): Promise<RunningRecovery> {
  const { stores, ...rest } = parts;
  const { backup } = document;
  // Loaded only where there is a schedule: memory is a feature.
  const schedule = backup && (await import('../domain/schedule.ts'));
  const target = backup && (await openTargetRecords(backup.target));
  return startRecovery({
    ...rest,
    metadata: stores.metadata,
    journal: await openJournalRecords(document),
    shared: stores.blobs.shared,
    mayStepBack: document.metadata.postgres !== undefined,
    ...(backup &&
      target && {
        backup: {
          target,
          keep: backup.keep,
          next: (after: number) => schedule?.nextTime(backup.schedule, after) ?? after,
        },
      }),
  });
}
