import type { ExportedRow } from '../../metadata/recovery.ts';
import type { MergeParts } from './merge.ts';
import type { MergedManifests } from './merged-manifests.ts';
import { keyOf, type TagChange } from './overlay.ts';

type TagRow = Extract<ExportedRow, { row: 'tag' | 'tombstone' }>;

/** Tags and tombstones, with the versions that the journal tells, or one more for each change since. */
export class MergedTags {
  #parts: Pick<MergeParts, 'overlay' | 'report'>;
  #manifests: MergedManifests;
  #settled = new Set<string>();
  /** Deleted since the base: they come with the other tombstones. */
  #buried: ExportedRow[] = [];

  constructor(parts: Pick<MergeParts, 'overlay' | 'report'>, manifests: MergedManifests) {
    this.#parts = parts;
    this.#manifests = manifests;
  }

  *take(row: ExportedRow): Iterable<ExportedRow> {
    if (row.row !== 'tag') return;
    const change = this.#parts.overlay.tags.get(keyOf(row.repository, row.name));
    if (change === undefined) {
      if (!this.#manifests.isGone(row.repository, row.digest)) yield this.#adopted(row);
      else this.#parts.report.lost.tags.push({ repository: row.repository, tag: row.name, digest: row.digest });
      return;
    }
    const after = this.#settle(change, row.version);
    if (after?.row === 'tag') yield after;
    else if (after !== undefined) this.#buried.push(after);
  }

  *takeTombstone(row: ExportedRow): Iterable<ExportedRow> {
    if (row.row !== 'tombstone') return;
    const change = this.#parts.overlay.tags.get(keyOf(row.repository, row.name));
    const after = change === undefined ? this.#adopted(row) : this.#settle(change, row.version);
    if (after !== undefined) yield after;
  }

  *end(): Iterable<ExportedRow> {
    yield* this.#buried;
    for (const [key, change] of this.#parts.overlay.tags) {
      const row = this.#settled.has(key) ? undefined : this.#settle(change, 0);
      if (row !== undefined) yield row;
    }
  }

  /** What another registry's version made of a row to which nothing else happened. */
  #adopted(row: TagRow): TagRow {
    const adopted = this.#parts.overlay.versions.get(keyOf(row.repository, row.name));
    if (adopted === undefined) return row;
    const { version, origin, at } = adopted;
    const { origin: _, ...rest } = row;
    const stand = { version, ...(origin !== undefined && { origin }) };
    if (rest.row === 'tag') return { ...rest, ...stand };
    const { kind: _kind, ...buried } = rest;
    return { ...buried, ...stand, deletedAt: at };
  }

  #settle(change: TagChange, before: number): TagRow | undefined {
    const { repository, tag, digest, actor, at, steps, told, expired } = change;
    this.#settled.add(keyOf(repository, tag));
    const common = {
      repository,
      name: tag,
      digest,
      version: (told?.version ?? before) + steps,
      actor,
      ...(told?.origin !== undefined && { origin: told.origin }),
    };
    if (!change.set) return { row: 'tombstone', ...common, deletedAt: at, ...(expired && { kind: 'expired' }) };
    if (this.#manifests.isThere(repository, digest)) return { row: 'tag', ...common, changedAt: at };
    this.#parts.report.lost.tags.push({ repository, tag, digest });
    return undefined;
  }
}
