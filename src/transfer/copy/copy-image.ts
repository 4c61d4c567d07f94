import type { Digest } from '../../domain/oci/digest.ts';
import { type Descriptor, mayBeMissing } from '../../domain/oci/manifest.ts';
import { isTransferError } from '../errors.ts';
import type { ImageSource, ImageTarget, ManifestBytes } from '../image/image.ts';
import { bounded } from './bounded.ts';
import { type Closure, closureOf } from './closure.ts';
import type { OnCopyEvent } from './events.ts';
import type { Platform } from './platform.ts';

export interface CopyOptions {
  readonly source: ImageSource;
  readonly target: ImageTarget;
  /** What to copy: a tag or digest at the source, or a manifest that was read from it. */
  readonly image: string | ManifestBytes;
  /** The tag at the target; without it the image is written under its digest alone. */
  readonly tag?: string;
  /** Only these platforms of an index, which keeps its digest. */
  readonly platforms?: readonly Platform[];
  /** Signatures, SBOMs and whatever else has the image, or one of its parts, as its subject. */
  readonly referrers?: boolean;
  readonly allowMissing?: boolean;
  /** Blobs at once; 4 by default. */
  readonly concurrency?: number;
  /** Blobs that other copies to the same target already see to: one transfer per target and digest. */
  readonly ledger?: BlobLedger;
  readonly onEvent?: OnCopyEvent;
  readonly signal: AbortSignal;
}

export interface CopyResult {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of blobs that crossed the wire. */
  readonly bytes: number;
  readonly blobs: { readonly copied: number; readonly mounted: number; readonly present: number };
  readonly manifests: { readonly copied: number; readonly present: number };
  readonly referrers: number;
  /** False where the tag stood for this image before. */
  readonly changed: boolean;
}

/** Blobs on their way to one target, by digest. */
export type BlobLedger = Map<Digest, Promise<void>>;

/**
 * Copies an image with all that it needs: blobs → child manifests → the image by digest → referrers → tag last, so that
 * no tag at the target ever names an incomplete image. Bytes are exact and verified at both ends.
 * @throws TransferError
 */
export async function copyImage(options: CopyOptions): Promise<CopyResult> {
  return await new Copy(options).run();
}

class Copy {
  readonly #options: CopyOptions;
  readonly #concurrency: number;
  readonly #ledger: BlobLedger;
  readonly #blobs = { copied: 0, mounted: 0, present: 0 };
  readonly #manifests = { copied: 0, present: 0 };
  readonly #seen = new Set<Digest>();
  #bytes = 0;
  #referrers = 0;

  constructor(options: CopyOptions) {
    this.#options = options;
    this.#concurrency = options.concurrency ?? 4;
    this.#ledger = options.ledger ?? new Map();
  }

  async run(): Promise<CopyResult> {
    const { source, image, signal, tag, target } = this.#options;
    const root = typeof image === 'string' ? await source.manifest(image, signal) : image;
    const before = tag === undefined ? undefined : await target.tagged(tag, signal);
    const subjects = await this.#withNeeds(
      root,
      this.#options.platforms,
      tag !== undefined && this.#options.referrers !== true,
    );
    if (this.#options.referrers === true) await this.#copyReferrers(subjects, 0);
    if (tag !== undefined) await this.#setTag(tag, root, before);
    return {
      digest: root.digest,
      mediaType: root.mediaType,
      bytes: this.#bytes,
      blobs: this.#blobs,
      manifests: this.#manifests,
      referrers: this.#referrers,
      changed: tag === undefined ? this.#manifests.copied > 0 : before !== root.digest,
    };
  }

  /** Copies a manifest after all it needs; `tagFollows` leaves the manifest itself to the tag. */
  async #withNeeds(
    root: ManifestBytes,
    platforms: readonly Platform[] | undefined,
    tagFollows: boolean,
  ): Promise<ReadonlySet<Digest>> {
    const { source, target, allowMissing, signal } = this.#options;
    const closure = await closureOf(root, {
      source,
      target,
      concurrency: this.#concurrency,
      signal,
      ...(platforms === undefined ? {} : { platforms }),
      ...(allowMissing === undefined ? {} : { allowMissing }),
    });
    for (const digest of closure.manifests) this.#seen.add(digest);
    for (const digest of closure.present) this.#noteManifest(digest, 'present');
    await this.#copyBlobs(closure);
    for (const level of closure.heights) {
      const due = tagFollows ? level.filter((manifest) => manifest.digest !== root.digest) : level;
      await bounded(due, this.#concurrency, signal, async (manifest, both) => await this.#copyManifest(manifest, both));
    }
    return closure.manifests;
  }

  async #copyBlobs(closure: Closure): Promise<void> {
    // The largest first: the last transfers are then short ones, and all lanes end at about the same time.
    const blobs = [...closure.blobs.values()].sort((a, b) => b.size - a.size);
    const bytes = blobs.reduce((sum, blob) => sum + blob.size, 0);
    const manifests = closure.heights.reduce((sum, level) => sum + level.length, 0);
    this.#options.onEvent?.({ kind: 'plan', blobs: blobs.length, bytes, manifests });
    await bounded(blobs, this.#concurrency, this.#options.signal, async (blob, signal) => {
      const others = this.#ledger.get(blob.digest);
      if (others !== undefined) {
        await others.catch(() => {});
        if (this.#ledger.get(blob.digest) === others) return this.#noteBlob(blob, 'present');
      }
      const mine = this.#copyBlob(blob, signal);
      this.#ledger.set(blob.digest, mine);
      mine.catch(() => this.#ledger.delete(blob.digest));
      await mine;
    });
  }

  async #copyBlob(blob: Descriptor, signal: AbortSignal): Promise<void> {
    const { source, target, onEvent } = this.#options;
    if (await target.hasBlob(blob, signal)) return this.#noteBlob(blob, 'present');
    const sameRegistry = source.repository !== undefined && source.repository.host === target.repository?.host;
    onEvent?.({ kind: 'blob', digest: blob.digest, size: blob.size, state: 'started', done: 0 });
    const transfer = async () =>
      await target.writeBlob(
        blob,
        {
          open: (offset) => source.blob(blob, offset, signal),
          onBytes: (done) => onEvent?.({ kind: 'blob', digest: blob.digest, size: blob.size, state: 'moving', done }),
          ...(sameRegistry && source.repository !== undefined ? { mountFrom: source.repository.name } : {}),
        },
        signal,
      );
    try {
      this.#noteBlob(blob, await source.whileReading(signal, async () => await target.whileWriting(signal, transfer)));
    } catch (error) {
      if (!mayBeMissing(blob) || !isTransferError(error, 'NotFound')) throw error;
      onEvent?.({ kind: 'blob', digest: blob.digest, size: blob.size, state: 'absent', done: 0 });
    }
  }

  async #copyManifest(manifest: ManifestBytes, signal: AbortSignal): Promise<void> {
    const { target } = this.#options;
    const present = manifest.content.kind === 'index' && (await target.hasManifest(manifest.digest, signal));
    if (!present) await target.writeManifest(manifest, signal);
    this.#noteManifest(manifest.digest, present ? 'present' : 'copied');
  }

  /** Referrers of referrers too (a signature on an SBOM). What was seen is not followed again: servers may name circles. */
  async #copyReferrers(subjects: ReadonlySet<Digest>, depth: number): Promise<void> {
    if (depth > 8) return;
    const { source, signal } = this.#options;
    const found: Digest[] = [];
    await bounded([...subjects], this.#concurrency, signal, async (subject, both) => {
      for (const referrer of await source.referrers(subject, both)) {
        if (this.#seen.has(referrer.digest)) continue;
        this.#seen.add(referrer.digest);
        found.push(referrer.digest);
      }
    });
    for (const digest of found) {
      await this.#withNeeds(await source.manifest(digest, signal), undefined, false);
      this.#referrers += 1;
    }
    if (found.length > 0) await this.#copyReferrers(new Set(found), depth + 1);
  }

  async #setTag(tag: string, root: ManifestBytes, before: Digest | undefined): Promise<void> {
    const { target, signal, onEvent } = this.#options;
    if (before !== root.digest) {
      await target.tag(tag, root, signal);
      if (this.#options.referrers !== true) this.#noteManifest(root.digest, 'copied');
    }
    onEvent?.({ kind: 'tag', tag, digest: root.digest, state: before === root.digest ? 'unchanged' : 'set' });
  }

  #noteBlob(blob: Descriptor, state: 'copied' | 'mounted' | 'present'): void {
    this.#blobs[state] += 1;
    if (state === 'copied') this.#bytes += blob.size;
    this.#options.onEvent?.({ kind: 'blob', digest: blob.digest, size: blob.size, state, done: blob.size });
  }

  #noteManifest(digest: Digest, state: 'copied' | 'present'): void {
    this.#manifests[state] += 1;
    this.#options.onEvent?.({ kind: 'manifest', digest, state });
  }
}
