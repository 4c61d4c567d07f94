import type { Log } from '../../platform/log.ts';
import type { Recovery, SnapshotRow } from '../metadata/recovery.ts';
import type { RecordStore } from '../storage/records.ts';
import { writeBase } from './base.ts';
import { readSnapshotName, snapshotName, surveySnapshots } from './names.ts';

export interface SnapshotParts {
  readonly metadata: Pick<Recovery, 'export' | 'snapshots' | 'addSnapshot' | 'dropSnapshot'>;
  readonly target: RecordStore;
}

/**
 * Takes a snapshot into the second place. Its row comes before its first byte, so that nothing that it names is unlinked while it
 * is written, and again with its size when it is there.
 */
export async function takeSnapshot({ metadata, target }: SnapshotParts, epoch: number): Promise<SnapshotRow> {
  let begun: string | undefined;
  const name = async (moment: { sequence: number; takenAt: number }) => {
    begun = snapshotName({ ...moment, epoch });
    await metadata.addSnapshot({ name: begun, ...moment, size: 0 });
    return begun;
  };
  try {
    const written = await writeBase({ metadata, records: target, name });
    const row = { name: written.name, sequence: written.sequence, takenAt: written.takenAt, size: written.size };
    await metadata.addSnapshot(row);
    return row;
  } catch (error) {
    // What was not written holds nothing back; after a crash here the next one tidies up.
    if (begun !== undefined) await metadata.dropSnapshot(begun).catch(() => undefined);
    throw error;
  }
}

export interface TidyParts extends SnapshotParts {
  readonly log: Pick<Log, 'warn'>;
}

const placeMissing =
  'most snapshots are missing in the second place (backup.target): is it mounted, and the right one? No snapshot is dropped, and their bytes stay, until new ones are as many as the missing ones';

/**
 * Makes rows and objects agree, and drops all but the newest `keep`. The object of a snapshot goes before its row: there is never
 * one whose bytes may be unlinked. An object without a row (of a command, or from before a restore) is taken in. Where most objects
 * are missing, it is the place that is missing (a volume that is not mounted): nothing is dropped.
 */
export async function tidySnapshots({ metadata, target, log }: TidyParts, keep: number): Promise<void> {
  const objects = await surveySnapshots(target);
  const rows = new Map((await metadata.snapshots()).map((row) => [row.name, row]));
  for (const { name, sequence, takenAt, size } of objects) {
    if (rows.get(name)?.size === size) continue;
    await metadata.addSnapshot({ name, sequence, takenAt, size });
  }
  const there = new Set(objects.map(({ name }) => name));
  const missing = [...rows.keys()].filter((name) => !there.has(name) && readSnapshotName(name) !== undefined);
  if (missing.length > 1 && missing.length > rows.size / 2) {
    log.warn({ missing: missing.length, of: rows.size }, placeMissing);
    return;
  }
  for (const name of missing) await metadata.dropSnapshot(name);
  for (const { name } of objects.slice(0, Math.max(0, objects.length - keep))) {
    await target.remove(name);
    await metadata.dropSnapshot(name);
  }
}
