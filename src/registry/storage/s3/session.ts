import type { Part } from './multipart.ts';
import { RunningHash } from './running-hash.ts';
import type { Tail } from './tail.ts';

/** An upload as this process knows it. */
export class Session {
  readonly id: string;
  readonly hash = new RunningHash();
  /** Bytes that were taken. */
  size: number;
  /** Parts that are in the bucket, from the first on. */
  readonly parts: Part[];
  /** What comes after them. */
  tail: Tail;
  /** The multipart upload, once there is one, and whether other replicas can find it. */
  multipart: { readonly id: string; recorded: Promise<unknown> } | undefined;
  /** The part that is being sent. */
  flight: Promise<void> | undefined;
  /** ETag of the object that says who continues this upload; undefined where nobody else could. */
  claim: string | undefined;
  /** When the claim was seen to hold, `performance.now()`. */
  checkedAt = Number.NEGATIVE_INFINITY;
  /** The multipart upload was completed already, by a process that did not get to name the blob. */
  completed = false;
  /** The request that is at work on it, until that is done. Never rejects. */
  work: Promise<void> | undefined;
  /** Cancelled, finished or refused: nothing may be written. */
  ended = false;
  usedAt = performance.now();

  constructor(id: string, state: { size: number; parts: Part[]; tail: Tail }) {
    this.id = id;
    this.size = state.size;
    this.parts = state.parts;
    this.tail = state.tail;
  }

  get busy(): boolean {
    return this.work !== undefined;
  }

  /** Number of the part that the tail will be. */
  get nextPart(): number {
    return this.parts.length + (this.flight === undefined ? 1 : 2);
  }
}
