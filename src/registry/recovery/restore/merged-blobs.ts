import type { Digest } from '../../../domain/oci/digest.ts';
import type { ExportedRow } from '../../metadata/recovery.ts';
import type { MergeParts } from './merge.ts';
import { keyOf, partsOf } from './overlay.ts';
import type { StoredBytes } from './stored-bytes.ts';

type BlobRow = Extract<ExportedRow, { row: 'blob' }>;

/** Which blobs there are, under which key, and who sees them: what base and journal say, as far as the bytes are there. */
export class MergedBlobs {
  #parts: Pick<MergeParts, 'overlay' | 'listing' | 'report'>;
  /** Named somewhere, and their bytes were not where the name said. A damaged row stays where nothing better is found. */
  #unplaced = new Map<Digest, BlobRow | undefined>();
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
    const newer = this.#parts.overlay.blobs.get(row.digest);
    const fresh = newer === undefined || newer.key === row.key ? undefined : this.#claim(row.digest, newer);
    if (fresh !== undefined) return yield this.#row(row.digest, fresh);
    const same = this.#parts.listing.claim(row.key, row.size);
    if (same !== undefined && row.damage === undefined) {
      this.#placed.add(row.digest);
      return yield row;
    }
    this.#unplaced.set(row.digest, same === undefined ? undefined : row);
  }

  async *end(): AsyncIterable<ExportedRow> {
    for (const [digest, blob] of this.#parts.overlay.blobs) {
      if (this.#placed.has(digest) || this.#unplaced.has(digest)) continue;
      const bytes = this.#claim(digest, blob);
      if (bytes !== undefined) yield this.#row(digest, bytes);
      else this.#unplaced.set(digest, undefined);
    }
    const hoped = [...this.#unseen].filter((digest) => !this.#placed.has(digest));
    const found = await this.#parts.listing.find(new Set([...this.#unplaced.keys(), ...hoped]));
    for (const [digest, bytes] of found) yield this.#row(digest, bytes);
    for (const [digest, damaged] of this.#unplaced) {
      if (found.has(digest)) continue;
      if (damaged !== undefined) yield damaged;
      else this.#missing.add(digest);
    }
    this.#parts.report.lost.blobs.push(...this.#missing);
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

  #claim(digest: Digest, blob: { key: string; size: number }): StoredBytes | undefined {
    const bytes = this.#parts.listing.claim(blob.key, blob.size);
    if (bytes !== undefined) this.#placed.add(digest);
    return bytes;
  }

  #row(digest: Digest, { key, size, modifiedAt }: StoredBytes): BlobRow {
    this.#placed.add(digest);
    return { row: 'blob', digest, size, key, createdAt: modifiedAt };
  }
}
