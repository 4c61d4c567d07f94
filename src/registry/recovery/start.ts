import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Log } from '../../platform/log.ts';
import type { MetricsRegistry } from '../../platform/metrics.ts';
import type { Turns } from '../../platform/turns.ts';
import type { SnapshotRow } from '../metadata/recovery.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { RecordStore } from '../storage/records.ts';
import { type BackupPlan, BackupWorker } from './backup-worker.ts';
import { JournalWorker } from './journal-worker.ts';
import { Lease } from './lease.ts';
import { refuseLongStepBack, refuseLostHistory } from './lost-history.ts';
import { recoveryMetrics } from './metrics.ts';
import { lastOf, newestEpoch, surveyJournal } from './names.ts';

/** How long the journal waits for a replica that died, milliseconds. */
const JOURNAL_LEASE = 3000;
/** How long nobody must have had the journal before a process takes it that stands in for others, milliseconds. */
const PATIENCE = 2000;

export interface RecoveryParts {
  readonly metadata: MetadataStore;
  /** Beside the blobs. */
  readonly journal: RecordStore;
  /** Replicas share the stores. */
  readonly shared: boolean;
  /** The metadata is on a server that may fail over. */
  readonly mayStepBack: boolean;
  /** Others keep it safe; this process takes no snapshots, and writes the journal only while nobody else is there to. */
  readonly standsIn?: boolean;
  /** Where snapshots go, as it is set now. */
  plan(): Promise<BackupPlan | undefined>;
  readonly register: MetricsRegistry;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** Of work that takes much memory. */
  readonly turns?: Turns;
  now(): number;
}

export interface RunningRecovery {
  /** Changes up to this one need not be kept for the journal, whichever replica writes it. */
  journaledUpTo(): Promise<number>;
  /** The newest snapshot that is whole. */
  lastBackup(): Promise<SnapshotRow | undefined>;
  /** Why this process is not fit to serve: it noticed that the metadata lost what the journal knows. */
  fault(): string | undefined;
  /** Before bytes are removed. @throws Fatal where the metadata lost what the journal knows, whichever replica writes it */
  requireWhole(): Promise<void>;
  /** Writes the last changes to the journal, and closes what it was given. Before the metadata is closed. */
  stop(): Promise<void>;
}

/**
 * Begins to keep what is needed to survive the loss of the metadata: the journal, and snapshots where a second place is set.
 * @throws Fatal where the metadata lost what the journal knows
 */
export async function startRecovery(parts: RecoveryParts): Promise<RunningRecovery> {
  const { metadata, journal: records, shared, mayStepBack, standsIn = false, plan, log, now } = parts;
  await refuseLostHistory({ metadata, journal: records, mayStepBack });
  const worker = `${hostname()} ${randomUUID()}`;
  const patience = standsIn ? PATIENCE : 0;
  const lease = new Lease({ queue: metadata, kind: 'journal', worker, length: JOURNAL_LEASE, patience, now });
  const journal = new JournalWorker(
    { metadata, records, log, now, standsIn, ...(parts.turns && { turns: parts.turns }) },
    shared ? lease : undefined,
  );
  const lastBackup = async () => (await metadata.snapshots()).findLast(({ size }) => size > 0);
  const onFailure = recoveryMetrics(parts.register, {
    lagSeconds: () => journal.lagSeconds(),
    lastBackup: async () => (await lastBackup())?.takenAt,
  });
  // What would be kept now is not what is to be kept, and would push out what is.
  const epoch = () => (journal.fault === undefined ? journal.epoch : 0);
  const backups = new BackupWorker({ plan, metadata, worker, log, now, onFailure, epoch });
  journal.start();
  if (!standsIn) backups.start();
  return {
    journaledUpTo: async () => (journal.epoch > 0 ? journal.sequence : lastInNewestEpoch(records)),
    lastBackup,
    fault: () => journal.fault,
    async requireWhole() {
      if (mayStepBack) await refuseLongStepBack({ metadata, records });
    },
    async stop() {
      await backups.stop();
      await journal.stop();
      await records.close();
    },
  };
}

async function lastInNewestEpoch(records: Pick<RecordStore, 'list'>): Promise<number> {
  const content = await surveyJournal(records);
  return lastOf(content, newestEpoch(content));
}
