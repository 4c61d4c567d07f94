import type { ExportedRow } from '../../metadata/recovery.ts';
import type { BlobStore } from '../../storage/store.ts';
import { readPortable } from '../portable.ts';
import { JournalReader } from './journal-reader.ts';
import { merge } from './merge.ts';
import { Overlay } from './overlay.ts';
import { type Plan, type PlanSources, planRestore } from './plan.ts';
import { emptyReport, type RestoreReport } from './report.ts';
import { Listing } from './stored-bytes.ts';

export interface RestoreParts extends Omit<PlanSources, 'losses'> {
  readonly blobs: Pick<BlobStore, 'list' | 'digestOf'>;
}

export interface Restoring {
  readonly report: RestoreReport;
  readonly newest: Plan['newest'];
  /** Whether there is anything to restore from. */
  readonly found: boolean;
  /** Everything, in the order in which it is put into an empty store. To be read once; the report is complete afterwards. */
  readonly rows: AsyncIterable<ExportedRow>;
}

/** Works out what can be brought back. Changes nothing. */
export async function prepareRestore(parts: RestoreParts): Promise<Restoring> {
  const report = emptyReport();
  const plan = await planRestore({ ...parts, losses: report.lost });
  const { base, objects, newest } = plan;
  if (base !== undefined) {
    const takenAt = new Date(base.head.takenAt).toISOString();
    report.base = { name: base.name, sequence: base.head.sequence, takenAt };
  }
  const reader = new JournalReader({ records: parts.journal, objects, base, losses: report.lost });
  const overlay = new Overlay();
  const upTo = parts.exactly === undefined ? newest.sequence : 0;
  for await (const { epoch, change } of reader.changes(upTo)) overlay.apply(change, epoch);
  report.journalObjects = reader.used;
  const rows = merge({
    base: baseRows(base),
    overlay,
    listing: await Listing.read(parts.blobs, namedKeys(base, overlay)),
    changes: () => reader.changes(upTo),
    sequence: Math.max(newest.sequence, base?.head.sequence ?? 0),
    takenAt: base?.head.takenAt ?? 0,
    identity: reader.identity ?? base?.head.identity,
    report,
  });
  return { report, newest, found: base !== undefined || objects.length > 0, rows };
}

async function* baseRows(base: Plan['base']): AsyncGenerator<ExportedRow> {
  const bytes = await base?.open();
  if (base === undefined || bytes === undefined) return;
  for await (const row of readPortable(base.name, bytes)) yield row as unknown as ExportedRow;
}

/** The keys that base and journal name. */
async function* namedKeys(base: Plan['base'], overlay: Overlay): AsyncGenerator<string> {
  for (const { key } of overlay.blobs.values()) yield key;
  for await (const row of baseRows(base)) {
    if (row.row === 'blob') yield row.key;
    else if (row.row === 'visible') return;
  }
}
