/**
 * Names of what is kept for recovery. An epoch is a stretch of history without a break: a new one begins when the metadata was
 * restored or went back, so that numbers that are used again are never taken for the changes that had them before.
 */
import type { RecordStore } from '../storage/records.ts';

/** In the journal's place: changes `first` to `last`. */
export interface JournalObject {
  readonly name: string;
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
  readonly size: number;
  /** Milliseconds since the epoch, where it was listed. */
  readonly modifiedAt?: number;
}

/** Everything up to a change: a checkpoint in the journal's place, or a snapshot in the second place. */
export interface Base {
  readonly name: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly size: number;
  /** Milliseconds since the epoch, where the name tells. */
  readonly takenAt?: number;
  /** Milliseconds since the epoch, where it was listed. */
  readonly modifiedAt?: number;
}

export interface JournalContent {
  readonly objects: readonly JournalObject[];
  readonly checkpoints: readonly Base[];
}

const OBJECT = /^(\d{6})\/(\d{16})-(\d{16})$/;
const CHECKPOINT = /^(\d{6})\/checkpoint-(\d{16})$/;
const SNAPSHOT = /^snapshot-(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z-(\d{6})-(\d{16})\.ndjson\.zst$/;

/** Of the journal object with the changes `first` to `last`: in an epoch, names sort by their changes. */
export function objectName(epoch: number, first: number, last: number): string {
  return `${digits(epoch, 6)}/${digits(first, 16)}-${digits(last, 16)}`;
}

/** Of the checkpoint with all changes up to `sequence`. */
export function checkpointName(epoch: number, sequence: number): string {
  return `${digits(epoch, 6)}/checkpoint-${digits(sequence, 16)}`;
}

/** Sorts by time. `takenAt` in milliseconds since the epoch. */
export function snapshotName({
  takenAt,
  epoch,
  sequence,
}: Pick<Base, 'epoch' | 'sequence'> & { takenAt: number }): string {
  const time = new Date(takenAt).toISOString().replace(/[-:.]/g, '').toLowerCase();
  return `snapshot-${time}-${digits(epoch, 6)}-${digits(sequence, 16)}.ndjson.zst`;
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, '0');
}

/** What the journal's place holds, in the order of history. Other names are left alone. */
export async function surveyJournal(records: Pick<RecordStore, 'list'>): Promise<JournalContent> {
  const objects: JournalObject[] = [];
  const checkpoints: Base[] = [];
  for await (const { name, size, modifiedAt } of records.list('')) {
    const object = OBJECT.exec(name);
    if (object)
      objects.push({ name, epoch: at(object, 1), first: at(object, 2), last: at(object, 3), size, modifiedAt });
    const checkpoint = CHECKPOINT.exec(name);
    if (checkpoint) checkpoints.push({ name, epoch: at(checkpoint, 1), sequence: at(checkpoint, 2), size, modifiedAt });
  }
  return { objects, checkpoints };
}

/** Snapshots in the second place, the oldest first. Other names are left alone. */
export async function surveySnapshots(records: Pick<RecordStore, 'list'>): Promise<(Base & { takenAt: number })[]> {
  const found: (Base & { takenAt: number })[] = [];
  for await (const { name, size } of records.list('snapshot-')) {
    const parts = readSnapshotName(name);
    if (parts !== undefined) found.push({ name, size, ...parts });
  }
  return found;
}

/** What `snapshotName` put into a name; undefined where it is the name of something else. */
export function readSnapshotName(name: string): { epoch: number; sequence: number; takenAt: number } | undefined {
  const match = SNAPSHOT.exec(name);
  if (match === null) return undefined;
  const takenAt = Date.UTC(
    at(match, 1),
    at(match, 2) - 1,
    at(match, 3),
    at(match, 4),
    at(match, 5),
    at(match, 6),
    at(match, 7),
  );
  return { takenAt, epoch: at(match, 8), sequence: at(match, 9) };
}

/** The newest epoch there is something of, 0 where there is nothing. */
export function newestEpoch({ objects, checkpoints }: JournalContent): number {
  return [...objects, ...checkpoints].reduce((newest, { epoch }) => Math.max(newest, epoch), 0);
}

/** The newest change that is known of an epoch. */
export function lastOf({ objects, checkpoints }: JournalContent, epoch: number): number {
  const lasts = [
    ...objects.filter((one) => one.epoch === epoch).map(({ last }) => last),
    ...checkpoints.filter((one) => one.epoch === epoch).map(({ sequence }) => sequence),
  ];
  return lasts.reduce((newest, last) => Math.max(newest, last), 0);
}

function at(match: RegExpExecArray, group: number): number {
  return Number(match[group]);
}
