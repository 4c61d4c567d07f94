import type { Writable } from 'node:stream';
import type { Algorithm, Digest } from '../../domain/oci/digest.ts';

/**
 * Bytes at rest. A store knows keys and bytes; names, visibility and reference counts are the metadata's.
 * A key is unique per upload, so a late removal can never hit bytes that were pushed again meanwhile.
 */
export interface BlobStore {
  /** Several replicas share it: who writes to an upload has to hold it (`MetadataStore.holdUpload`). */
  readonly shared: boolean;
  /** Makes room for a new upload. `id` is a UUID chosen by the caller. `alone`: it begins and ends within one request. */
  begin(id: string, options?: { alone?: boolean }): Promise<void>;
  /**
   * Appends a body to an upload at `offset`, which must be its present size, and keeps a running hash.
   * Bounded memory whatever the body's length; stops at `maxBytes`. An interrupted body keeps what arrived (it can be
   * resumed at the size that `progress` then tells). One append at a time per upload: a second one is refused.
   * Throws Refusal BLOB_UPLOAD_UNKNOWN (no such upload), BLOB_UPLOAD_INVALID 416 (offset is not the size),
   * SIZE_INVALID 413 (past `maxBytes`), TOOMANYREQUESTS with Retry-After (no space left), UploadBusy as 409-like Refusal.
   */
  append(id: string, body: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<{ size: number }>;
  /** Bytes that the upload holds, or undefined where there is no such upload. Survives a restart. */
  progress(id: string): Promise<number | undefined>;
  /**
   * Verifies the whole upload against `digest` (rehashing where the running hash does not serve: after a restart, or for
   * sha512), makes bytes and directory entry durable, and returns the key under which they now are.
   * Throws Refusal DIGEST_INVALID and leaves nothing under that digest; bytes may lie there without a name until the sweep comes.
   */
  finish(id: string, digest: Digest, use?: HeldUse): Promise<StoredBlob>;
  /** Drops an upload and its bytes. No upload is success. */
  cancel(id: string): Promise<void>;
  /**
   * Opens stored bytes for reading, or undefined where the key holds nothing. The caller closes it. `wanted` says what will be
   * sent, where that is known: a remote store asks for just that, at once.
   */
  open(key: string, wanted?: ByteSpan): Promise<BlobReader | undefined>;
  /** All the bytes of a small blob, where they are in memory now; nobody may change them. */
  content?(key: string): Uint8Array | undefined;
  /** Removes stored bytes for good. Nothing there is success. */
  remove(key: string): Promise<void>;
  /**
   * Every stored key with its size (bytes) and time (ms since the epoch), for check, the sweep of orphans and restoring;
   * rejects where the listing is not complete. `uploadId` made it.
   */
  list(): AsyncIterable<StoredKey>;
  /** The digest that stored bytes were verified against when they came, from the key or a marker beside it. */
  digestOf(key: string): Promise<Digest | undefined>;
  /** Every upload with its size and last write, for the sweep of abandoned ones. */
  uploads(): AsyncIterable<{ id: string; size: number; modifiedAt: number }>;
  /** Free bytes where the store knows them (a file system), else undefined. */
  freeBytes(): Promise<number | undefined>;
  /** Bytes that were sent to clients past the count of their sockets. */
  readonly unseenTraffic?: number;
  /** Proves that a write is possible now; throws an error that says what to do otherwise. */
  probe(): Promise<void>;
  close(): Promise<void>;
}

export interface StoredKey {
  readonly key: string;
  readonly uploadId: string;
  readonly size: number;
  readonly modifiedAt: number;
}

/** Bytes `start`..`end`, both included. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
}

export interface HeldUse {
  /** Since when (`performance.now()`) nobody else could have written to the upload: what was read since is still true. */
  readonly heldSince?: number | undefined;
}

export interface AppendOptions extends HeldUse {
  readonly offset: number;
  /** Largest size the upload may reach, bytes. */
  readonly maxBytes?: number;
  /** Algorithm of the running hash; sha256 unless the client announced another. */
  readonly algorithm?: Algorithm;
  readonly signal?: AbortSignal;
  /** The chunks are the store's from now on: it may free their memory as soon as they are written. */
  readonly ownsChunks?: boolean;
  /** `finish` follows at once: until then the last bytes need not outlive this process. */
  readonly closing?: boolean;
}

export interface StoredBlob {
  readonly key: string;
  readonly digest: Digest;
  readonly size: number;
}

export interface BlobReader {
  readonly size: number;
  /** Where a client may fetch these bytes itself for a short while, where the store offers that and is set to. */
  readonly location?: (method: 'GET' | 'HEAD') => Promise<string>;
  /**
   * Writes bytes `start`..`end` (inclusive) into `sink` with back-pressure, from pooled buffers; does not end the sink.
   * Rejects when the store fails or delivers fewer bytes than asked for, or when the sink is destroyed.
   * `owner` is the client's address: buffers are shared fairly between owners.
   */
  send(sink: Writable, start: number, end: number, owner?: string): Promise<void>;
  close(): Promise<void>;
}
