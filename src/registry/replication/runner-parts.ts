import type { Log } from '../../platform/log.ts';
import type { BlobLedger } from '../../transfer/copy/blob-ledger.ts';
import type { Millis } from '../metadata/store.ts';
import type { ReturnsQuestion } from './context.ts';
import type { LoadedRule } from './document.ts';
import type { ReplicationMetrics } from './metrics.ts';
import type { PlaceParts } from './places.ts';

/** What all rules of a process share. */
export interface RunnerParts extends PlaceParts {
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  readonly ledger: BlobLedger;
  readonly metrics: ReplicationMetrics;
  now(): Millis;
  /** 0 ≤ chance < 1. */
  chance(): number;
  returns(loaded: LoadedRule, question: ReturnsQuestion): boolean;
  /** A rule has nothing left to do, or has compared. */
  settled(): void;
}
