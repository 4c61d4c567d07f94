import type { Digest } from '../../domain/oci/digest.ts';
import { type Descriptor, mayBeMissing } from '../../domain/oci/manifest.ts';
import { isTransferError } from '../errors.ts';
import type { ImageSource, ImageTarget, ManifestBytes } from '../image/image.ts';
import { BlobLedger, type BlobPlace, type BlobTurn } from './blob-ledger.ts';
import { bounded } from './bounded.ts';
import { type Closure, closureOf } from './closure.ts';
import type { CopyCounts, CopySettings } from './copy-image.ts';
import type { Platform } from './platform.ts';
import { asSource, asTarget } from './sides.ts';

interface Needs {
  readonly platforms?: readonly Platform[];
  /** Leaves the manifest itself to the tag. */
  readonly tagFollows?: boolean;
  /** Writes the manifest also where the target has it: it was not in the list that it belongs to. */
  readonly relist?: boolean;
  /** Whether the target has the manifest, where that is known. */
  readonly there?: boolean;
  /** The copy's own signal unless given. */
  readonly signal?: AbortSignal;
}

const maxReferrerDepth = 8;

/** One copy while it goes on. The steps are put in order by `copyImage`. */
export class Copy {
  readonly source: ImageSource;
  readonly target: ImageTarget;
  readonly #settings: CopySettings;
  readonly #concurrency: number;
  readonly #ledger: BlobLedger;
  readonly #place: BlobPlace;
  readonly #blobs = { copied: 0, mounted: 0, present: 0 };
  readonly #manifests = { copied: 0, present: 0 };
  readonly #seen = new Set<Digest>();
  readonly #absent: Digest[] = [];
  #bytes = 0;
  #referrers = 0;

  constructor(settings: CopySettings) {
    this.#settings = settings;
    this.source = asSource(settings.source);
    this.target = asTarget(settings.target);
    this.#concurrency = settings.concurrency ?? 4;
    this.#ledger = settings.ledger ?? new BlobLedger();
    const { repository, name } = settings.target;
    this.#place = { host: repository?.host ?? '', repository: repository?.name ?? name };
  }

  counts(): CopyCounts {
    return {
      bytes: this.#bytes,
      blobs: this.#blobs,
      manifests: this.#manifests,
      referrers: this.#referrers,
      absent: this.#absent,
    };
  }

  /** Copies a manifest after all it needs. Answers every manifest that belongs to it. */
  async withNeeds(root: ManifestBytes, needs: Needs): Promise<ReadonlySet<Digest>> {
    const { source, target } = this;
    const { allowMissing } = this.#settings;
    const signal = needs.signal ?? this.#settings.signal;
    const closure = await closureOf(root, {
      source,
      target,
      concurrency: this.#concurrency,
      signal,
      ...rootIsThere(needs),
      ...(needs.platforms === undefined ? {} : { platforms: needs.platforms }),
      ...(allowMissing === undefined ? {} : { allowMissing }),
    });
    for (const digest of closure.manifests) this.#seen.add(digest);
    for (const digest of closure.present) this.#noteManifest(digest, 'present');
    this.#announce(closure);
    await this.#copyBlobs(closure, signal);
    await this.#copyManifests(closure, root, { ...needs, signal }).catch(async (error: unknown) => {
      if (!lacksBlob(error)) throw error;
      // What was there a moment ago was reclaimed meanwhile.
      for (const digest of closure.blobs.keys()) this.#ledger.forget(this.#place, digest);
      await this.#copyBlobs(closure, signal);
      await this.#copyManifests(closure, root, { ...needs, signal });
    });
    return closure.manifests;
  }

  /** Referrers of referrers too (a signature on an SBOM). What was seen is not followed again: servers may name circles. */
  async referrersOf(subjects: ReadonlySet<Digest>, depth = 0): Promise<void> {
    if (depth > maxReferrerDepth || subjects.size === 0) return;
    const { signal } = this.#settings;
    const due: Digest[] = [];
    const found = new Set<Digest>();
    await bounded([...subjects], this.#concurrency, signal, async (subject, both) => {
      const listed = (await this.source.referrers(subject, both)).filter(({ digest }) => !this.#seen.has(digest));
      if (listed.length === 0) return;
      const there = new Set((await this.target.referrers?.(subject, both))?.map(({ digest }) => digest));
      for (const { digest } of listed) {
        if (found.has(digest)) continue;
        found.add(digest);
        if (there.has(digest)) this.#noteManifest(digest, 'present');
        else due.push(digest);
      }
    });
    for (const digest of found) this.#seen.add(digest);
    await bounded(due, this.#concurrency, signal, async (digest, both) => await this.#copyReferrer(digest, both));
    await this.referrersOf(found, depth + 1);
  }

  async setTag(setting: {
    tag: string;
    root: ManifestBytes;
    before: Digest | undefined;
    /** The manifest itself was left to the tag. */
    brings: boolean;
    headers?: Readonly<Record<string, string>>;
  }): Promise<void> {
    const { tag, root, before, brings, headers } = setting;
    const { signal, onEvent } = this.#settings;
    // Headers say more of the tag than its digest.
    if (before !== root.digest || headers !== undefined) {
      await this.target.tag(tag, root, signal, headers);
      if (brings) this.#noteManifest(root.digest, 'copied');
    }
    onEvent?.({ kind: 'tag', tag, digest: root.digest, state: before === root.digest ? 'unchanged' : 'set' });
  }

  async #copyReferrer(digest: Digest, signal: AbortSignal): Promise<void> {
    let manifest: ManifestBytes;
    try {
      manifest = await this.source.manifest(digest, signal);
    } catch (error) {
      // Lists outlive what they name: nothing is wrong with the image itself.
      if (!isTransferError(error, 'NotFound')) throw error;
      this.#absent.push(digest);
      return;
    }
    await this.withNeeds(manifest, { relist: true, signal });
    this.#referrers += 1;
  }

  #announce(closure: Closure): void {
    const blobs = [...closure.blobs.values()];
    const bytes = blobs.reduce((sum, blob) => sum + blob.size, 0);
    const manifests = closure.heights.reduce((sum, level) => sum + level.length, 0);
    this.#settings.onEvent?.({ kind: 'plan', blobs: blobs.length, bytes, manifests });
  }

  async #copyBlobs(closure: Closure, whole: AbortSignal): Promise<void> {
    // The largest first: the last transfers are then short ones, and all lanes end at about the same time.
    const blobs = [...closure.blobs.values()].sort((a, b) => b.size - a.size);
    await bounded(blobs, this.#concurrency, whole, async (blob, signal) => {
      const whose = await this.#ledger.run(this.#place, blob.digest, signal, async (turn) => {
        await this.#copyBlob(blob, turn, signal);
      });
      if (whose === 'shared') this.#noteBlob(blob, 'present');
    });
  }

  async #copyBlob(blob: Descriptor, turn: BlobTurn, signal: AbortSignal): Promise<void> {
    const { source, target } = this;
    const { onEvent, slots } = this.#settings;
    const asks = blob.size > (target.sendsUnasked ?? 0) || this.#mountFrom(turn) !== undefined;
    if (asks && (await target.hasBlob(blob, signal))) return this.#noteBlob(blob, 'present');
    const transfer = async () => await this.#transfer(blob, turn, signal);
    const inTurn = async () =>
      await source.whileReading(signal, async () => await target.whileWriting(signal, transfer));
    try {
      this.#noteBlob(blob, slots === undefined ? await inTurn() : await slots.run(signal, inTurn));
    } catch (error) {
      if (!mayBeMissing(blob) || !isTransferError(error, 'NotFound')) throw error;
      onEvent?.({ kind: 'blob', digest: blob.digest, size: blob.size, state: 'absent', done: 0 });
    }
  }

  #mountFrom(turn: BlobTurn): string | undefined {
    const { repository: from } = this.source;
    return from !== undefined && from.host === this.target.repository?.host ? from.name : turn.mountFrom;
  }

  async #transfer(blob: Descriptor, turn: BlobTurn, signal: AbortSignal): Promise<'copied' | 'mounted'> {
    const { source, target } = this;
    const { bandwidth, onEvent } = this.#settings;
    const report = (state: 'started' | 'moving', done: number) =>
      onEvent?.({ kind: 'blob', digest: blob.digest, size: blob.size, state, done });
    const open = (offset: number) => source.blob(blob, offset, signal, target.takesLent);
    const mountFrom = this.#mountFrom(turn);
    report('started', 0);
    const outcome = await target.writeBlob(
      blob,
      {
        open: bandwidth === undefined ? open : (offset) => bandwidth.passing(open(offset), signal),
        from: source.name,
        onBytes: (done) => report('moving', done),
        ...(mountFrom === undefined ? {} : { mountFrom }),
      },
      signal,
    );
    if (outcome === 'copied' && turn.mountFrom !== undefined) this.#ledger.noteNoMount(this.#place.host);
    return outcome;
  }

  async #copyManifests(closure: Closure, root: ManifestBytes, needs: Needs & { signal: AbortSignal }): Promise<void> {
    const { tagFollows, relist, signal } = needs;
    for (const level of closure.heights) {
      const due = tagFollows === true ? level.filter(({ digest }) => digest !== root.digest) : level;
      await bounded(due, this.#concurrency, signal, async (manifest, both) => {
        await this.#copyManifest(manifest, relist === true && manifest.digest === root.digest, both);
      });
    }
  }

  async #copyManifest(manifest: ManifestBytes, always: boolean, signal: AbortSignal): Promise<void> {
    const { target } = this;
    const mayBeThere = !always && manifest.content.kind === 'index';
    const present = mayBeThere && (await target.hasManifest(manifest.digest, signal));
    if (!present) await target.writeManifest(manifest, signal);
    this.#noteManifest(manifest.digest, present ? 'present' : 'copied');
  }

  #noteBlob(blob: Descriptor, state: 'copied' | 'mounted' | 'present'): void {
    this.#blobs[state] += 1;
    if (state === 'copied') this.#bytes += blob.size;
    this.#settings.onEvent?.({ kind: 'blob', digest: blob.digest, size: blob.size, state, done: blob.size });
  }

  #noteManifest(digest: Digest, state: 'copied' | 'present'): void {
    this.#manifests[state] += 1;
    this.#settings.onEvent?.({ kind: 'manifest', digest, state });
  }
}

function rootIsThere({ relist, there }: Needs): { rootIsThere?: boolean } {
  if (relist === true) return { rootIsThere: false };
  return there === undefined ? {} : { rootIsThere: there };
}

function lacksBlob(error: unknown): boolean {
  return isTransferError(error) && error.side === 'target' && error.codes.includes('MANIFEST_BLOB_UNKNOWN');
}
