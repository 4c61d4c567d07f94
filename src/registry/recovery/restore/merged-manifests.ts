import type { Digest } from '../../../domain/oci/digest.ts';
import type { ExportedRow } from '../../metadata/recovery.ts';
import type { JournalChange } from '../rows.ts';
import { factsOf } from './facts.ts';
import type { MergeParts } from './merge.ts';
import type { MergedBlobs } from './merged-blobs.ts';
import { keyOf, partsOf } from './overlay.ts';

type ManifestRow = Extract<ExportedRow, { row: 'manifest' }>;

/** The base's manifests that were not deleted since, and those of the journal. */
export class MergedManifests {
  #parts: Pick<MergeParts, 'overlay' | 'changes' | 'report'>;
  #blobs: MergedBlobs;
  /** Manifests that tags of the journal point at and that have to come from the base; those that did. */
  #awaited: Set<string>;
  #arrived = new Set<string>();

  constructor(parts: Pick<MergeParts, 'overlay' | 'changes' | 'report'>, blobs: MergedBlobs) {
    this.#parts = parts;
    this.#blobs = blobs;
    const targets = [...parts.overlay.tags.values()].map(({ repository, digest }) => keyOf(repository, digest));
    const unknown = [...parts.overlay.manifests].flatMap(([key, { state }]) => (state === 'unknown' ? [key] : []));
    this.#awaited = new Set([...targets, ...unknown]);
  }

  /** Whether a tag of the journal may point at it. */
  isThere(repository: string, digest: Digest): boolean {
    return this.#arrived.has(keyOf(repository, digest)) || this.#parts.overlay.hasManifest(repository, digest);
  }

  /** Whether a tag of the base may still point at it. */
  isGone(repository: string, digest: Digest): boolean {
    return this.#parts.overlay.manifests.get(keyOf(repository, digest))?.state === 'deleted';
  }

  *take(row: ExportedRow): Iterable<ExportedRow> {
    if (row.row !== 'manifest') return;
    const key = keyOf(row.repository, row.digest);
    const since = this.#parts.overlay.manifests.get(key)?.state;
    if (since === 'put' || since === 'deleted') return;
    if (this.#awaited.has(key)) this.#arrived.add(key);
    yield this.#looked(row);
  }

  async *end(): AsyncIterable<ExportedRow> {
    for await (const { epoch, change } of this.#parts.changes()) {
      const row = this.#rowOf(epoch, change);
      if (row !== undefined) yield this.#looked(row);
    }
    for (const [key, { state }] of this.#parts.overlay.manifests) {
      if (state !== 'unknown' || this.#arrived.has(key)) continue;
      const [repository, digest] = partsOf(key) as [string, Digest];
      this.#parts.report.lost.manifests.push({ repository, digest });
    }
  }

  /** Undefined where this is not the last that is told of a manifest. */
  #rowOf(epoch: number, { repository, digest, sequence, manifest, ...change }: JournalChange): ManifestRow | undefined {
    if (manifest === undefined || digest === undefined) return undefined;
    const last = this.#parts.overlay.manifests.get(keyOf(repository, digest));
    if (last?.state !== 'put' || last.sequence !== sequence || last.epoch !== epoch) return undefined;
    const { bytes, mediaType } = manifest;
    const { actor: pushedBy, at, origin } = change;
    const { pushedAt = at } = manifest;
    return {
      row: 'manifest',
      repository,
      digest,
      bytes,
      ...factsOf(bytes, mediaType),
      pushedAt,
      pushedBy,
      ...(origin !== undefined && { origin }),
    };
  }

  #looked(row: ManifestRow): ManifestRow {
    const { repository, digest, edges } = row;
    const missing = edges
      .filter(({ kind }) => kind === 'config' || kind === 'layer')
      .map((edge) => edge.digest)
      .filter((blob) => this.#blobs.isMissing(blob));
    if (missing.length > 0) this.#parts.report.lost.incomplete.push({ repository, digest, missing });
    return row;
  }
}
