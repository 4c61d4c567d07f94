import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Log } from '../../platform/log.ts';
import type { MetricsRegistry } from '../../platform/metrics.ts';
import type { SnapshotRow } from '../metadata/recovery.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { RecordStore } from '../storage/records.ts';
import { BackupWorker } from './backup-worker.ts';
import { JournalWorker } from './journal-worker.ts';
import { Lease } from './lease.ts';
import { refuseLostHistory } from './lost-history.ts';
import { recoveryMetrics } from './metrics.ts';

/** How long the journal waits for a replica that died, milliseconds. */
const JOURNAL_LEASE = 3000;

export interface RecoveryParts {
  readonly metadata: MetadataStore;
  /** Beside the blobs. */
  readonly journal: RecordStore;
  /** Replicas share the stores. */
  readonly shared: boolean;
  /** The metadata is on a server that may fail over. */
  readonly mayStepBack: boolean;
  readonly backup?: { readonly target: RecordStore; readonly keep: number; next(after: number): number };
  readonly register: MetricsRegistry;
  readonly log: Pick<Log, 'info' | 'warn'>;
  now(): number;
}

export interface RunningRecovery {
  /** Changes up to this one need not be kept for the journal. */
  journaledUpTo(): number;
  /** The newest snapshot that is whole. */
  lastBackup(): Promise<SnapshotRow | undefined>;
  /** Writes the last changes to the journal, and closes what it was given. Before the metadata is closed. */
  stop(): Promise<void>;
}

/**
 * Begins to keep what is needed to survive the loss of the metadata: the journal, and snapshots where a second place is set.
 * @throws Fatal where the metadata lost what the journal knows
 */
export async function startRecovery(parts: RecoveryParts): Promise<RunningRecovery> {
  const { metadata, journal: records, shared, mayStepBack, backup, log, now } = parts;
  await refuseLostHistory({ metadata, journal: records, mayStepBack });
  const worker = `${hostname()} ${randomUUID()}`;
  const lease = new Lease({ queue: metadata, kind: 'journal', worker, length: JOURNAL_LEASE, now });
  const journal = new JournalWorker({ metadata, records, log, now }, shared ? lease : undefined);
  const lastBackup = async () => (await metadata.snapshots()).findLast(({ size }) => size > 0);
  const onFailure = recoveryMetrics(parts.register, {
    lagSeconds: () => journal.lagSeconds(),
    lastBackup: async () => (await lastBackup())?.takenAt,
  });
  const backups =
    backup && new BackupWorker({ ...backup, metadata, worker, log, now, onFailure, epoch: () => journal.epoch });
  journal.start();
  backups?.start();
  return {
    journaledUpTo: () => journal.sequence,
    lastBackup,
    async stop() {
      await backups?.stop();
      await journal.stop();
      await records.close();
      await backup?.target.close();
    },
  };
}
