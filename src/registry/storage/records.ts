import type { Readable } from 'node:stream';

/**
 * Small named objects beside the blobs (the journal) and in the second place (snapshots): a folder or a prefix of a bucket.
 * Names are relative paths of lower-case letters, digits, `-`, `.` and `/`, without `..`.
 */
export interface RecordStore {
  /** Stores an object whole and durably, or not at all; replaces one of that name. */
  put(name: string, bytes: Uint8Array | Readable): Promise<void>;
  /** Opens an object, or undefined where there is none. */
  get(name: string): Promise<Readable | undefined>;
  /** Names that begin with `prefix`, in ASCII order. */
  list(prefix: string): AsyncIterable<{ name: string; size: number; modifiedAt: number }>;
  /** Nothing there is success. */
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}
