import type { RegistryBootstrap } from '../api/bootstrap/v1alpha1.ts';
import type { Log } from '../platform/log.ts';
import type { MetricsRegistry } from '../platform/metrics.ts';
import type { Turns } from '../platform/turns.ts';
import { openJournalRecords, openTargetRecords } from './records.ts';
import type { BackupPlan } from './recovery/backup-worker.ts';
import { type RunningRecovery, startRecovery } from './recovery/start.ts';
import type { RecordStore } from './storage/records.ts';
import type { Stores } from './stores.ts';

type Backup = NonNullable<RegistryBootstrap['backup']>;

/**
 * Begins to keep what survives the loss of the metadata, in the places that the document names.
 * @param parts.backup as it is set now: a change counts from the next look on
 * @throws Fatal where the metadata lost what the journal knows, or a place cannot be used
 */
export async function keepSafe(
  document: Pick<RegistryBootstrap, 'storage' | 'metadata' | 'workers'>,
  parts: {
    stores: Pick<Stores, 'metadata' | 'blobs'>;
    register: MetricsRegistry;
    log: Log;
    turns: Turns;
    now(): number;
    backup(): Backup | undefined;
  },
): Promise<RunningRecovery> {
  const { stores, backup, ...rest } = parts;
  const plans = new Plans(backup);
  const recovery = await startRecovery({
    ...rest,
    metadata: stores.metadata,
    journal: await openJournalRecords(document),
    shared: stores.blobs.shared,
    mayStepBack: document.metadata.postgres !== undefined,
    standsIn: document.workers.run === 'None',
    plan: () => plans.current(),
  });
  return { ...recovery, stop: () => recovery.stop().finally(() => plans.close()) };
}

/** The second place of the moment, opened once for as long as it stays the same. */
class Plans {
  #backup: () => Backup | undefined;
  #opened: { readonly at: string; readonly target: RecordStore } | undefined;

  constructor(backup: () => Backup | undefined) {
    this.#backup = backup;
  }

  async current(): Promise<BackupPlan | undefined> {
    const backup = this.#backup();
    const at = JSON.stringify(backup?.target);
    if (this.#opened?.at !== at) await this.close();
    if (backup === undefined) return undefined;
    this.#opened ??= { at, target: await openTargetRecords(backup.target) };
    // Loaded only where there is a schedule: memory is a feature.
    const { nextTime } = await import('../domain/schedule.ts');
    const { target } = this.#opened;
    return { target, keep: backup.keep, next: (after) => nextTime(backup.schedule, after) };
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.target.close();
  }
}
