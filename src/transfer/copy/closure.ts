import type { Digest } from '../../domain/oci/digest.ts';
import type { Descriptor } from '../../domain/oci/manifest.ts';
import { isImageManifest, isIndex } from '../../domain/oci/media-types.ts';
import { isTransferError, TransferError } from '../errors.ts';
import type { ImageSource, ImageTarget, ManifestBytes } from '../image/image.ts';
import { bounded } from './bounded.ts';
import { matchesPlatform, type Platform } from './platform.ts';

/** What a manifest needs at the target before it: blobs, then manifests by height, images (0) before the indexes that name them. */
export interface Closure {
  readonly blobs: ReadonlyMap<Digest, Descriptor>;
  readonly heights: readonly (readonly ManifestBytes[])[];
  /** Every manifest that was looked at, the root and those that the target has already included. */
  readonly manifests: ReadonlySet<Digest>;
  readonly present: ReadonlySet<Digest>;
}

export interface ClosureOptions {
  readonly source: ImageSource;
  readonly target: ImageTarget;
  /** Keep only these platforms of an index (a sparse copy: the index keeps its digest). */
  readonly platforms?: readonly Platform[];
  /** Leave out what an index names and the source lacks, instead of failing. */
  readonly allowMissing?: boolean;
  /** Whether the target has the root itself, where that is known: it is not asked then. */
  readonly rootIsThere?: boolean;
  readonly concurrency: number;
  readonly signal: AbortSignal;
}

const maxDepth = 8;
const maxManifests = 10_000;
/** Bytes of them all, which are in memory at once: ten thousand usual ones have a tenth of that. */
const maxBytes = 128 * 1024 * 1024;

/** Reads all that `root` needs, asking the target which image manifests it has: those are complete there, and not read again. */
export async function closureOf(root: ManifestBytes, options: ClosureOptions): Promise<Closure> {
  return await new Walk(options).from(root);
}

class Walk {
  readonly #options: ClosureOptions;
  readonly #blobs = new Map<Digest, Descriptor>();
  readonly #heights = new Map<Digest, { readonly manifest: ManifestBytes; height: number }>();
  readonly #seen = new Set<Digest>();
  readonly #present = new Set<Digest>();
  #bytes = 0;

  constructor(options: ClosureOptions) {
    this.#options = options;
  }

  async from(root: ManifestBytes): Promise<Closure> {
    this.#seen.add(root.digest);
    const { target, signal, rootIsThere } = this.#options;
    const complete = root.content.kind === 'image' && (rootIsThere ?? (await target.hasManifest(root.digest, signal)));
    if (complete) this.#present.add(root.digest);
    else await this.#visit(root, 0);
    const heights: ManifestBytes[][] = [];
    for (const { manifest, height } of this.#heights.values()) {
      while (heights.length <= height) heights.push([]);
      heights[height]?.push(manifest);
    }
    return { blobs: this.#blobs, heights, manifests: this.#seen, present: this.#present };
  }

  async #visit(manifest: ManifestBytes, depth: number): Promise<number> {
    if (depth > maxDepth || this.#seen.size > maxManifests) {
      throw new TransferError(
        'Invalid',
        `${this.#options.source.name}: the index nests deeper than ${maxDepth} or names more than ${maxManifests} manifests`,
      );
    }
    this.#bytes += manifest.bytes.length;
    if (this.#bytes > maxBytes)
      throw new TransferError(
        'Invalid',
        `${this.#options.source.name}: the manifests have more than ${maxBytes} bytes`,
      );
    const { config, layers, children } = manifest.content;
    for (const blob of [...(config === undefined ? [] : [config]), ...layers]) this.#addBlob(blob);
    const heights = [-1];
    const { concurrency, signal } = this.#options;
    await bounded(this.#wanted(children), concurrency, signal, async (child, both) => {
      heights.push(await this.#child(child, depth + 1, both));
    });
    const height = Math.max(...heights) + 1;
    this.#heights.set(manifest.digest, { manifest, height });
    return height;
  }

  async #child(child: Descriptor, depth: number, signal: AbortSignal): Promise<number> {
    if (!isIndex(child.mediaType) && !isImageManifest(child.mediaType)) {
      // Build caches name layers in an index.
      this.#addBlob(child);
      return -1;
    }
    if (this.#seen.has(child.digest)) return this.#heights.get(child.digest)?.height ?? maxDepth - depth;
    this.#seen.add(child.digest);
    const { source, target, allowMissing } = this.#options;
    if (isImageManifest(child.mediaType) && (await target.hasManifest(child.digest, signal))) {
      this.#present.add(child.digest);
      return 0;
    }
    try {
      return await this.#visit(await source.manifest(child.digest, signal), depth);
    } catch (error) {
      if (allowMissing === true && isTransferError(error, 'NotFound')) return -1;
      throw error;
    }
  }

  #wanted(children: readonly Descriptor[]): readonly Descriptor[] {
    const { platforms } = this.#options;
    if (platforms === undefined || platforms.length === 0) return children;
    const chosen = children.filter(
      (child) => child.platform === undefined || platforms.some((one) => matchesPlatform(child, one)),
    );
    // Attestations name the image they are about, and go with it.
    const digests = new Set<string>(chosen.map((child) => child.digest));
    return children.filter(
      (child) => digests.has(child.digest) || digests.has(child.annotations?.['vnd.docker.reference.digest'] ?? ''),
    );
  }

  #addBlob(blob: Descriptor): void {
    if (!this.#blobs.has(blob.digest)) this.#blobs.set(blob.digest, blob);
  }
}
