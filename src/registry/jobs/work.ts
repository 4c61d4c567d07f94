import type { RegistryBootstrap } from '../../api/bootstrap/v1alpha1.ts';
import type { Log } from '../../platform/log.ts';
import type { MetadataStore, Millis } from '../metadata/store.ts';
import type { BlobStore } from '../storage/store.ts';
import type { JobMetrics } from './metrics.ts';

/** Work that comes again and again. There is one job of its kind in the database, which one worker holds at a time. */
export interface Work {
  readonly kind: string;
  /** When it is due without anything having happened before, `now` being the present. */
  next(now: Millis): Millis;
  /**
   * One pass, in small batches with pauses, so that serving never waits for it. What it throws is logged, and it is tried again
   * after a while. It ends soon after its signal: by throwing the signal's reason, or otherwise.
   */
  run(pass: Pass): Promise<Outcome>;
}

export interface Pass {
  /** JSON that the pass before left behind, `{}` at first. */
  readonly payload: string;
  /** Somebody wants it done now, whatever the plan was. */
  readonly asked: boolean;
  readonly signal: AbortSignal;
  /** Remembers how far it is, for whoever takes over. Throws where somebody has taken over already. */
  keep(payload: string): Promise<void>;
}

export interface Outcome {
  /** For the next pass; what was there stays unless given. */
  readonly payload?: string;
  /** When the next pass is due; `next` tells unless given. */
  readonly runAt?: Millis;
}

/** What of the configuration the jobs read, anew for each pass. */
export type JobSettings = Pick<RegistryBootstrap, 'reclaim' | 'scrub' | 'limits' | 'workers'>;

export interface JobParts {
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn' | 'error'>;
  readonly metrics: JobMetrics;
  settings(): JobSettings;
  /** Milliseconds since the epoch. */
  now(): Millis;
  /** For how long the metadata lets removed bytes stay for readers, milliseconds. */
  readonly removalDelay: number;
  /** Up to which change everybody who follows the feed has read; all of it where nobody does. */
  readonly followed?: () => number | Promise<number>;
  /** Rejects where the metadata lacks what it had before: then nothing is removed. */
  readonly requireWhole?: () => Promise<void>;
}
