import { type Digest, isDigest } from '../../../domain/oci/digest.ts';
import type { Descriptor } from '../../../domain/oci/manifest.ts';
import type { ImageSource, ManifestBytes } from '../../../transfer/image/image.ts';
import { LeftBehind, SharedBlob } from './shared-blob.ts';

/** Bytes that a blob's readers may be apart. */
const window = 4 * 1024 * 1024;
/** For so long a blob waits for those who may want it too, milliseconds: who has it already never comes. */
const patience = 500;
/** Bytes of small blobs that are kept for whoever is late. */
const mostHeld = 32 * 1024 * 1024;
/** Bytes of manifests that are kept for the other targets. */
const mostManifestBytes = 8 * 1024 * 1024;
const longest = 10_000;

/** What several targets of one rule read at about the same time is asked of the source once. */
export class SharedReads {
  readonly #targets: () => number;
  readonly #blobs = new Map<string, SharedBlob>();
  readonly #manifests = new Map<string, { readonly read: Promise<ManifestBytes>; size: number }>();
  #held = 0;
  #clearing: NodeJS.Timeout | undefined;

  /** @param targets how many are being copied to */
  constructor(targets: () => number) {
    this.#targets = targets;
  }

  /** The same source, for one copy. */
  of(source: ImageSource): ImageSource {
    const { repository } = source;
    return {
      name: source.name,
      ...(repository && { repository }),
      manifest: (reference, signal) =>
        isDigest(reference) ? this.#manifest(source, reference, signal) : source.manifest(reference, signal),
      blob: (descriptor, offset, signal) => this.#blob(source, descriptor, offset, signal),
      referrers: (subject, signal) => source.referrers(subject, signal),
      // Whoever reads from the source takes a place there; who only listens takes none.
      whileReading: (_signal, work) => work(),
      close: () => source.close(),
    };
  }

  async #manifest(source: ImageSource, digest: Digest, signal: AbortSignal): Promise<ManifestBytes> {
    const key = `${source.name}@${digest}`;
    const known = this.#manifests.get(key);
    // One that was cancelled was somebody else's.
    if (known !== undefined) return await known.read.catch(() => source.manifest(digest, signal));
    const entry = { read: source.manifest(digest, signal), size: 0 };
    this.#manifests.set(key, entry);
    try {
      const manifest = await entry.read;
      entry.size = manifest.bytes.length;
      this.#held += entry.size;
      this.#forgetOld();
      return manifest;
    } catch (error) {
      this.#manifests.delete(key);
      throw error;
    }
  }

  #forgetOld(): void {
    for (const [key, { size }] of this.#manifests) {
      if (this.#held <= mostManifestBytes && this.#manifests.size <= longest) return;
      this.#manifests.delete(key);
      this.#held -= size;
    }
  }

  async *#blob(
    source: ImageSource,
    descriptor: Descriptor,
    offset: number,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    let at = offset;
    const shared = this.#sharedBlob(source, descriptor, offset);
    if (shared !== undefined) {
      try {
        for await (const chunk of shared.read(at, signal)) {
          at += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        // Nobody but us was there any more, or the others were quicker: the rest is ours to read.
        if (!(error instanceof LeftBehind) || signal.aborted) throw error;
      } finally {
        this.#clear();
      }
    }
    const rest = await directly(source, signal);
    try {
      yield* source.blob(descriptor, at, signal);
    } finally {
      rest();
    }
  }

  /** Undefined where the blob has to be read alone: after a cut, or too late. */
  #sharedBlob(source: ImageSource, descriptor: Descriptor, offset: number): SharedBlob | undefined {
    if (offset > 0) return undefined;
    const key = `${source.name}@${descriptor.digest}`;
    const known = this.#blobs.get(key);
    if (known?.open) return known;
    const open = (signal: AbortSignal) => reading(source, descriptor, signal);
    const made = new SharedBlob({ open, readers: this.#targets(), window, patience });
    this.#blobs.set(key, made);
    return made;
  }

  #clear(): void {
    let held = 0;
    for (const [key, blob] of [...this.#blobs].reverse()) {
      held += blob.held;
      if (blob.idle || (blob.unused && held > mostHeld)) this.#blobs.delete(key);
    }
    clearTimeout(this.#clearing);
    if (this.#blobs.size > 0) this.#clearing = setTimeout(() => this.#clear(), patience).unref();
  }
}

async function* reading(source: ImageSource, descriptor: Descriptor, signal: AbortSignal): AsyncGenerator<Buffer> {
  const done = await directly(source, signal);
  try {
    yield* source.blob(descriptor, 0, signal);
  } finally {
    done();
  }
}

/** Takes a place among the reads from the source; the answer gives it back. */
async function directly(source: ImageSource, signal: AbortSignal): Promise<() => void> {
  const taken = Promise.withResolvers<() => void>();
  const held = Promise.withResolvers<void>();
  source
    .whileReading(signal, async () => {
      taken.resolve(() => held.resolve());
      await held.promise;
    })
    .catch((error: unknown) => taken.reject(error));
  return await taken.promise;
}
