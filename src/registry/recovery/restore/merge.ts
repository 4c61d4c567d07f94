import type { ExportedRow } from '../../metadata/recovery.ts';
import type { JournalChange } from '../rows.ts';
import { MergedBlobs } from './merged-blobs.ts';
import { MergedManifests } from './merged-manifests.ts';
import { MergedTags } from './merged-tags.ts';
import { keyOf, type Overlay } from './overlay.ts';
import type { RestoreReport } from './report.ts';
import type { Listing } from './stored-bytes.ts';

type Kind = ExportedRow['row'];
/** The order of an export. */
const order: readonly Kind[] = [
  'head',
  'repository',
  'blob',
  'visible',
  'manifest',
  'tag',
  'tombstone',
  'rule',
  'trash',
];

export interface MergeParts {
  /** Empty where there is nothing but the journal. */
  readonly base: AsyncIterable<ExportedRow>;
  readonly overlay: Overlay;
  readonly listing: Listing;
  /** The journal once more, for the bytes of its manifests. */
  changes(): AsyncIterable<{ readonly epoch: number; readonly change: JournalChange }>;
  /** Of the restored metadata: later changes get later numbers. */
  readonly sequence: number;
  readonly takenAt: number;
  /** Who the registry was; where no file says, the restored one is somebody new. */
  readonly identity?: string | undefined;
  /** Takes what was brought back and what could not be. */
  readonly report: RestoreReport;
}

interface Section {
  /** What becomes of a row of the base. */
  take(row: ExportedRow): Iterable<ExportedRow>;
  /** What comes after the base's rows of this kind. */
  end(): AsyncIterable<ExportedRow> | Iterable<ExportedRow>;
}

/**
 * The base with the journal laid over it and compared with the bytes that are there, in the order of an export. Memory is bounded by
 * the journal and the number of blobs, not by the base.
 */
export async function* merge(parts: MergeParts): AsyncGenerator<ExportedRow> {
  const { sequence, takenAt, identity } = parts;
  yield { row: 'head', sequence, takenAt, ...(identity !== undefined && { identity }) };
  const sections = sectionsOf(parts);
  let at = 1;
  for await (const row of parts.base) {
    const next = order.indexOf(row.row);
    if (next < at && row.row !== 'head') throw new Error(`a row of kind ${row.row} is out of its order`);
    for (; at < next; at++) yield* counted(parts.report, endOf(sections, at));
    const section = sections[row.row];
    if (section !== undefined) yield* counted(parts.report, section.take(row));
  }
  for (; at < order.length; at++) yield* counted(parts.report, endOf(sections, at));
}

type Sections = Partial<Record<Kind, Section>>;

function endOf(sections: Sections, at: number): AsyncIterable<ExportedRow> | Iterable<ExportedRow> {
  return sections[order[at] ?? 'head']?.end() ?? [];
}

function sectionsOf(parts: MergeParts): Sections {
  const blobs = new MergedBlobs(parts);
  const manifests = new MergedManifests(parts, blobs);
  const tags = new MergedTags(parts, manifests);
  return {
    repository: repositories(parts.overlay),
    blob: { take: (row) => blobs.take(row), end: () => blobs.end() },
    visible: { take: (row) => blobs.takeVisible(row), end: () => blobs.endVisible() },
    manifest: { take: (row) => manifests.take(row), end: () => manifests.end() },
    tag: { take: (row) => tags.take(row), end: () => [] },
    tombstone: { take: (row) => tags.takeTombstone(row), end: () => tags.end() },
    rule: rules(parts.overlay),
    trash: trash(parts.overlay),
  };
}

function repositories(overlay: Overlay): Section {
  const seen = new Set<string>();
  return {
    *take(row) {
      if (row.row !== 'repository') return;
      seen.add(row.name);
      yield row;
    },
    *end() {
      for (const name of overlay.repositories) if (!seen.has(name)) yield { row: 'repository', name };
    },
  };
}

function rules(overlay: Overlay): Section {
  return {
    *take(row) {
      if (row.row === 'rule' && !overlay.rules.has(`${row.kind}/${row.name}`)) yield row;
    },
    *end() {
      for (const row of overlay.rules.values()) if (row !== undefined) yield row;
    },
  };
}

/** What expired before the base was written, and was neither restored nor pushed again since. */
function trash({ manifests }: Overlay): Section {
  return {
    *take(row) {
      if (row.row === 'trash' && !manifests.has(keyOf(row.repository, row.digest))) yield row;
    },
    end: () => [],
  };
}

const countedAs: Partial<Record<Kind, keyof RestoreReport['restored']>> = {
  repository: 'repositories',
  blob: 'blobs',
  manifest: 'manifests',
  tag: 'tags',
};

async function* counted(
  { restored }: RestoreReport,
  rows: AsyncIterable<ExportedRow> | Iterable<ExportedRow>,
): AsyncGenerator<ExportedRow> {
  for await (const row of rows) {
    const name = countedAs[row.row];
    if (name !== undefined) restored[name] += 1;
    yield row;
  }
}
