import type { Digest } from '../../domain/oci/digest.ts';
import type { Descriptor } from '../../domain/oci/manifest.ts';
import type { ManifestBytes } from '../registry/manifests.ts';

export type { ManifestBytes } from '../registry/manifests.ts';

/** A place that images are read from: a repository of a registry, an OCI layout, an archive. */
export interface ImageSource {
  /** For messages: `registry.example.com/team/app`, `./app.tar`. */
  readonly name: string;
  /** The repository of a registry, so that a target on the same registry can mount instead of copying. */
  readonly repository?: { readonly host: string; readonly name: string };
  /** Reads a manifest by tag or digest, verified. @throws TransferError `NotFound` */
  manifest(reference: string, signal: AbortSignal): Promise<ManifestBytes>;
  /**
   * The bytes of a blob from `offset` on; not verified. Who reads `lent` ones is done with each when asking for the next:
   * the source may use its memory again.
   */
  blob(descriptor: Descriptor, offset: number, signal: AbortSignal, lent?: boolean): AsyncIterable<Buffer>;
  referrers(subject: Digest, signal: AbortSignal): Promise<readonly Descriptor[]>;
  /** Runs a blob's transfer within this side's limit on reads at once. */
  whileReading<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface BlobOptions {
  /** A repository on the target's registry that has the blob. */
  readonly mountFrom?: string;
  readonly open: (offset: number) => AsyncIterable<Buffer>;
  /** Where the bytes come from, for messages. */
  readonly from?: string;
  readonly onBytes?: (done: number) => void;
}

/** A place that images are written to. Nothing is visible under its name there until `tag`, and for files `finish`. */
export interface ImageTarget {
  readonly name: string;
  /** Whether `writeBlob` is done with each chunk when it asks for the next. */
  readonly takesLent?: boolean;
  readonly repository?: { readonly host: string; readonly name: string };
  /** Bytes up to which a blob is sent without asking for it first: less than the answer would cost. 0 unless given. */
  readonly sendsUnasked?: number;
  hasBlob(descriptor: Descriptor, signal: AbortSignal): Promise<boolean>;
  hasManifest(digest: Digest, signal: AbortSignal): Promise<boolean>;
  /** The digest that a tag stands for. */
  tagged(tag: string, signal: AbortSignal): Promise<Digest | undefined>;
  /** Writes a blob and verifies it. */
  writeBlob(descriptor: Descriptor, options: BlobOptions, signal: AbortSignal): Promise<'copied' | 'mounted'>;
  /** Writes a manifest under its digest. */
  writeManifest(manifest: ManifestBytes, signal: AbortSignal): Promise<void>;
  /** Lets `tag` stand for a manifest. `headers` go with the request where the target is a registry. */
  tag(
    tag: string,
    manifest: ManifestBytes,
    signal: AbortSignal,
    headers?: Readonly<Record<string, string>>,
  ): Promise<void>;
  /** The referrers that a subject has here, where that can be asked. */
  referrers?(subject: Digest, signal: AbortSignal): Promise<readonly Descriptor[]>;
  /** Runs a blob's transfer within this side's limit on writes at once; taken after the source's. */
  whileWriting<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Makes the result visible (files), or leaves no trace of it. */
  finish(outcome: 'complete' | 'failed'): Promise<void>;
}
