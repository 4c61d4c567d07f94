import type { Readable } from 'node:stream';
import type { RecordStore } from '../../storage/records.ts';
import { type Base, type JournalObject, lastOf, newestEpoch, surveyJournal, surveySnapshots } from '../names.ts';
import { DamagedFile, type Head, verifyPortable } from '../portable.ts';
import type { Losses } from './report.ts';

/** A file to begin from. */
export interface Candidate extends Pick<Base, 'name' | 'epoch' | 'sequence' | 'takenAt'> {
  open(): Promise<Readable | undefined>;
}

export interface Plan {
  readonly base?: Candidate & { readonly head: Head };
  /** What comes after it, in order. */
  readonly objects: readonly JournalObject[];
  /** The newest epoch and the newest change that any name tells of. */
  readonly newest: { readonly epoch: number; readonly sequence: number };
}

export interface PlanSources {
  readonly journal: Pick<RecordStore, 'get' | 'list'>;
  /** The second place, where there is one. */
  readonly snapshots?: Pick<RecordStore, 'get' | 'list'>;
  /** As it was in this file, without what came after. */
  readonly exactly?: Candidate;
  readonly losses: Losses;
}

/** Chooses the newest checkpoint or snapshot that is whole, and the journal after it. Throws DamagedFile where `exactly` is damaged. */
export async function planRestore({ journal, snapshots, exactly, losses }: PlanSources): Promise<Plan> {
  const content = await surveyJournal(journal);
  const taken = snapshots === undefined ? [] : await surveySnapshots(snapshots);
  const candidates = [...content.checkpoints.map(from(journal)), ...(snapshots ? taken.map(from(snapshots)) : [])];
  const newest = {
    epoch: Math.max(newestEpoch(content), ...taken.map(({ epoch }) => epoch)),
    sequence: Math.max(
      0,
      ...[...candidates, ...(exactly ? [exactly] : [])].map(({ sequence }) => sequence),
      ...lasts(content),
    ),
  };
  if (exactly !== undefined) return { base: await whole(exactly), objects: [], newest };
  const base = await firstWhole(candidates.sort(newestFirst), losses);
  const objects = content.objects.filter((object) => base === undefined || isAfter(object, base)).sort(inOrder);
  return { objects, newest, ...(base && { base }) };
}

function from(records: Pick<RecordStore, 'get'>) {
  return (base: Base): Candidate => ({ ...base, open: () => records.get(base.name) });
}

function lasts(content: Awaited<ReturnType<typeof surveyJournal>>): number[] {
  return content.objects.map(({ epoch }) => lastOf(content, epoch));
}

async function firstWhole(candidates: readonly Candidate[], losses: Losses): Promise<Plan['base']> {
  for (const candidate of candidates) {
    try {
      return await whole(candidate);
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error;
      losses.files.push({ name: candidate.name, problem: error.message });
    }
  }
  return undefined;
}

async function whole(candidate: Candidate): Promise<NonNullable<Plan['base']>> {
  const bytes = await candidate.open();
  if (bytes === undefined) throw new DamagedFile(candidate.name, 'is not there');
  return { ...candidate, head: await verifyPortable(candidate.name, bytes) };
}

function newestFirst(one: Candidate, other: Candidate): number {
  return other.epoch - one.epoch || other.sequence - one.sequence || (other.takenAt ?? 0) - (one.takenAt ?? 0);
}

function inOrder(one: JournalObject, other: JournalObject): number {
  return one.epoch - other.epoch || one.first - other.first || one.last - other.last;
}

function isAfter({ epoch, last }: JournalObject, base: Candidate): boolean {
  return epoch > base.epoch || (epoch === base.epoch && last > base.sequence);
}
