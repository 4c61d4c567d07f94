import { isDeepStrictEqual } from 'node:util';
import type { Recovery } from '../metadata/recovery.ts';
import type { ChangeRow, MetadataStore } from '../metadata/store.ts';
import type { RecordStore } from '../storage/records.ts';
import { type JournalContent, type JournalObject, lastOf, newestEpoch, surveyJournal } from './names.ts';
import { DamagedFile, readPortable } from './portable.ts';
import { isChange, type JournalChange } from './rows.ts';

export interface StepBackParts {
  readonly metadata: Pick<MetadataStore, 'changes'> & Pick<Recovery, 'lastSequence'>;
  readonly records: Pick<RecordStore, 'list' | 'get'>;
}

/** The journal knows changes that the metadata does not have, or has others of the same number. */
export interface StepBack {
  /** The newest change of the journal, and of the metadata. */
  readonly journal: number;
  readonly metadata: number;
  /** More than a server loses that fails over: somebody put an older database in place. */
  readonly long: boolean;
}

/** What was written to the journal in this time may be lost by a server that fails over, milliseconds. */
export const FAILOVER = 5 * 60_000;

/** Compares the newest epoch of the journal with the metadata. Undefined where the metadata has all of it. */
export async function findStepBack(parts: StepBackParts): Promise<StepBack | undefined> {
  // In this order: what is listed was committed before.
  const content = await surveyJournal(parts.records);
  const epoch = newestEpoch(content);
  const journal = lastOf(content, epoch);
  const metadata = await parts.metadata.lastSequence();
  const objects = content.objects.filter((object) => object.epoch === epoch).sort((a, b) => b.last - a.last);
  const lost = await lostOf(parts, objects, metadata);
  if (lost.length === 0 && journal <= metadata) return undefined;
  const long = metadata === 0 || spanOf(lost) > FAILOVER || !reachesBack(content, { epoch, lost, metadata });
  return { journal, metadata, long };
}

/** From the newest to the first that the metadata has, or until they are too many for a failover. */
async function lostOf(
  { metadata, records }: StepBackParts,
  newestFirst: readonly JournalObject[],
  last: number,
): Promise<JournalObject[]> {
  const lost: JournalObject[] = [];
  for (const object of newestFirst) {
    if (object.last <= last && !(await isReplaced(metadata, await lastChangeOf(records, object)))) break;
    lost.push(object);
    if (spanOf(lost) > FAILOVER) break;
  }
  return lost;
}

function spanOf(objects: readonly JournalObject[]): number {
  const times = objects.map(({ modifiedAt = 0 }) => modifiedAt);
  return times.length === 0 ? 0 : Math.max(...times) - Math.min(...times);
}

/** False where lost changes are in a checkpoint alone: their objects were old enough to be removed. */
function reachesBack(
  { checkpoints }: JournalContent,
  { epoch, lost, metadata }: { epoch: number; lost: readonly JournalObject[]; metadata: number },
): boolean {
  const from = Math.min(...lost.map(({ first }) => first), Number.MAX_SAFE_INTEGER) - 1;
  return from <= metadata || !checkpoints.some((one) => one.epoch === epoch && one.sequence > metadata);
}

/** The change that an object ends with; undefined where the object is gone or cannot be read. */
export async function lastChangeOf(
  records: Pick<RecordStore, 'get'>,
  { name, last }: Pick<JournalObject, 'name' | 'last'>,
): Promise<ChangeRow | undefined> {
  const bytes = await records.get(name);
  if (bytes === undefined) return undefined;
  try {
    let found: ChangeRow | undefined;
    for await (const row of readPortable(name, bytes))
      if (isChange(row) && row.sequence === last) found = changeIn(row);
    return found;
  } catch (error) {
    if (error instanceof DamagedFile) return undefined;
    throw error;
  }
}

/** What the feed said, without what came along. */
function changeIn({ row: _, manifest: _manifest, ruleRow: _rule, ...change }: JournalChange): ChangeRow {
  return change;
}

/** Whether the metadata tells of another change under that number. History that was trimmed tells nothing. */
export async function isReplaced(
  metadata: Pick<MetadataStore, 'changes'>,
  known: ChangeRow | undefined,
): Promise<boolean> {
  if (known === undefined) return false;
  const [now] = await metadata.changes(known.sequence - 1, 1);
  return now?.sequence === known.sequence && !isSame(now, known);
}

/** As far as a file tells: what is undefined is not in it. */
export function isSame(one: ChangeRow, other: ChangeRow): boolean {
  return isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)));
}
