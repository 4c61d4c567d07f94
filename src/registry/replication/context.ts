import type { Log } from '../../platform/log.ts';
import type { BlobLedger } from '../../transfer/copy/blob-ledger.ts';
import type { Platform } from '../../transfer/copy/platform.ts';
import type { BandwidthLimit } from '../../transfer/http/bandwidth-limit.ts';
import type { Slots } from '../../transfer/registry/slots.ts';
import type { MetadataStore, Millis } from '../metadata/store.ts';
import type { Breaker } from './breaker.ts';
import type { LoadedRule } from './document.ts';
import type { SharedReads } from './fan-out/shared-source.ts';
import type { Listing, Side } from './side.ts';

/** What all parts of one rule at work have in common. */
export interface RuleContext {
  readonly loaded: LoadedRule;
  readonly source: Side;
  readonly metadata: MetadataStore;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  /** Places for blobs of this rule; where reads are shared, of each target. */
  readonly slots: Slots;
  readonly bandwidth: BandwidthLimit | undefined;
  /** Of the whole process. */
  readonly ledger: BlobLedger;
  readonly platforms: readonly Platform[];
  /** Where several targets take from another registry: what they read is asked for once. */
  readonly sharing: SharedReads | undefined;
  /** Of the source; each target has one of its own. */
  readonly sourceBreaker: Breaker;
  now(): Millis;
  /** 0 ≤ chance < 1. */
  chance(): number;
  /** Whether changes of a target's repository come back to the source, as far as anybody knows. */
  returns(question: ReturnsQuestion): boolean;
}

export interface ReturnsQuestion {
  /** The source's name. */
  readonly repository: string;
  /** As the rule writes it. */
  readonly target: string;
  readonly name: string;
  readonly source: Pick<Listing, 'identity' | 'flows'>;
  readonly listing: Pick<Listing, 'identity' | 'flows'>;
}
