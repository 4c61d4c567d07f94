import type { Digest } from '../../../domain/oci/digest.ts';
import type { ExportedRow } from '../../metadata/recovery.ts';
import type { MergeParts } from './merge.ts';
import { keyOf, partsOf } from './overlay.ts';
import type { StoredBytes } from './stored-bytes.ts';

type BlobRow = Extract<ExportedRow, { row: 'blob' }>;

/** Which blobs there are, under which key, and who sees them: what base and journal say, as far as the bytes are there. */
export class MergedBlobs {
  #parts: Pick<MergeParts, 'overlay' | 'listing' | 'report'>;
  /** Those that are put back, and those of them whose bytes are right as far as is known. */
  #taken = new Set<Digest>();
  #placed = new Set<Digest>();
  #missing = new Set<Digest>();
  /** Digests of `overlay.unseen`, and those of them that some repository is known to show. */
  #unseen: Set<Digest>;
  #shown = new Set<Digest>();

  constructor(parts: Pick<MergeParts, 'overlay' | 'listing' | 'report'>) {
    this.#parts = parts;
    this.#unseen = new Set([...parts.overlay.unseen].map((key) => partsOf(key)[1] as Digest));
  }

  /** Named once, and without bytes now. */
  isMissing(digest: Digest): boolean {
    return this.#missing.has(digest);
  }

  *take(row: ExportedRow): Iterable<ExportedRow> {
    if (row.row !== 'blob') return;
    const same = this.#parts.listing.at(row);
    // Known damage is only taken back where there is nothing else.
    const bytes = this.#newest(row.digest, row.damage === undefined ? same : undefined) ?? same;
    if (bytes === undefined) this.#missing.add(row.digest);
    else if (bytes.key !== row.key) yield this.#row(row.digest, bytes);
    else {
      if (row.damage === undefined) this.#placed.add(row.digest);
      this.#taken.add(row.digest);
      yield row;
    }
  }

  *end(): Iterable<ExportedRow> {
    const { overlay, report } = this.#parts;
    for (const digest of [...overlay.blobs.keys(), ...this.#unseen]) {
      if (this.#taken.has(digest) || this.#missing.has(digest)) continue;
      const bytes = this.#newest(digest, undefined);
      if (bytes !== undefined) yield this.#row(digest, bytes);
      else if (overlay.blobs.has(digest)) this.#missing.add(digest);
    }
    report.lost.blobs.push(...this.#missing);
  }

  *takeVisible(row: ExportedRow): Iterable<ExportedRow> {
    if (row.row !== 'visible') return;
    if (this.#unseen.has(row.digest)) this.#shown.add(row.digest);
    if (this.#missing.has(row.digest)) return;
    const key = keyOf(row.repository, row.digest);
    if (this.#parts.overlay.visible.has(key)) return;
    this.#parts.overlay.unseen.delete(key);
    yield row;
  }

  /**
   * A blob that came after its manifest is shown where no other repository had it: then nobody learns of bytes that were not
   * meant for them.
   */
  *endVisible(): Iterable<ExportedRow> {
    const { overlay, report } = this.#parts;
    for (const [key, shown] of overlay.visible) {
      const [repository, digest] = partsOf(key) as [string, Digest];
      if (shown) this.#shown.add(digest);
      if (shown && this.#placed.has(digest)) yield { row: 'visible', repository, digest };
    }
    for (const key of overlay.unseen) {
      const [repository, digest] = partsOf(key) as [string, Digest];
      if (!this.#placed.has(digest) || overlay.visible.has(key)) continue;
      if (this.#shown.has(digest)) report.lost.hidden.push({ repository, digest });
      else yield { row: 'visible', repository, digest };
    }
  }

  /** The bytes that came last, and so were verified last. Of the same moment: those that no file knows of yet. */
  #newest(digest: Digest, named: StoredBytes | undefined): StoredBytes | undefined {
    const { overlay, listing } = this.#parts;
    const later = overlay.blobs.get(digest);
    const candidates = [listing.spare(digest), later && listing.at(later), named];
    return candidates.reduce(
      (best, one) => (one && (!best || one.modifiedAt > best.modifiedAt) ? one : best),
      undefined,
    );
  }

  #row(digest: Digest, { key, size, modifiedAt }: StoredBytes): BlobRow {
    this.#placed.add(digest);
    this.#taken.add(digest);
    return { row: 'blob', digest, size, key, createdAt: modifiedAt };
  }
}
