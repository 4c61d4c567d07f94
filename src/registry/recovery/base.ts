import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ExportedRow, Recovery } from '../metadata/recovery.ts';
import type { RecordStore } from '../storage/records.ts';
import { type Base, lastOf, surveyJournal } from './names.ts';
import { writePortable } from './portable.ts';
import { FAILOVER } from './step-back.ts';

/** How long an earlier epoch stays: it may be the only record of what a database lost, milliseconds. */
const KEPT = 7 * 24 * 3_600_000;

export interface Moment {
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly takenAt: number;
}

export interface WrittenBase extends Moment {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

export interface BaseParts {
  readonly metadata: Pick<Recovery, 'export'>;
  readonly records: Pick<RecordStore, 'put'>;
  /** The object's name, once it is known which moment it shows. What it does is done before anything is written. */
  name(moment: Moment): string | Promise<string>;
  readonly onRow?: () => void;
}

/** Writes everything that the metadata holds into one object. */
export async function writeBase(parts: BaseParts): Promise<WrittenBase> {
  const rows = parts.metadata.export()[Symbol.asyncIterator]();
  try {
    const first = await rows.next();
    if (first.done === true || first.value.row !== 'head') throw new Error('an export begins with its head');
    const { sequence, takenAt, identity } = first.value;
    const name = await parts.name({ sequence, takenAt });
    const size = await put(
      parts,
      name,
      writePortable({ kind: 'snapshot', sequence, takenAt, identity }, rest(rows, parts.onRow)),
    );
    return { name, sequence, takenAt, size };
  } finally {
    await rows.return?.();
  }
}

async function put({ records }: BaseParts, name: string, bytes: NodeJS.ReadableStream): Promise<number> {
  let size = 0;
  const counter = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      size += chunk.byteLength;
      done(null, chunk);
    },
  });
  const flowing = pipeline(bytes, counter);
  try {
    await records.put(name, counter);
    await flowing;
  } catch (error) {
    counter.destroy();
    // What broke first is behind the stream that the store could not read any more.
    const cause: unknown = await flowing.catch((reason: unknown) => reason);
    throw isAbort(cause) ? error : (cause ?? error);
  }
  return size;
}

function isAbort(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === 'ERR_STREAM_PREMATURE_CLOSE';
}

async function* rest(rows: AsyncIterator<ExportedRow>, onRow?: () => void): AsyncGenerator<ExportedRow> {
  for (let next = await rows.next(); next.done !== true; next = await rows.next()) {
    onRow?.();
    yield next.value;
  }
}

/**
 * Removes what a checkpoint makes superfluous: journal objects that end before it, earlier checkpoints, earlier epochs. Objects of
 * the last minutes stay, which tell whether a database that went back lost more than that; earlier epochs stay for a week.
 * @param checkpoint.now in milliseconds since the epoch
 */
export async function removeCovered(
  records: Pick<RecordStore, 'list' | 'remove'>,
  checkpoint: Pick<Base, 'epoch' | 'sequence'> & { now: number },
): Promise<void> {
  const { objects, checkpoints } = await surveyJournal(records);
  const { epoch, now } = checkpoint;
  const isRecent = ({ modifiedAt = 0 }: { modifiedAt?: number }, time: number) => modifiedAt > now - time;
  const covered = [
    ...objects.filter((one) => isBefore({ ...one, sequence: one.last }, checkpoint, true) && !isRecent(one, FAILOVER)),
    ...checkpoints.filter((one) => isBefore(one, checkpoint, false)),
  ].filter((one) => one.epoch === epoch || !isRecent(one, KEPT));
  for (const { name } of covered) await records.remove(name);
}

function isBefore(
  one: Pick<Base, 'epoch' | 'sequence'>,
  other: Pick<Base, 'epoch' | 'sequence'>,
  orEqual: boolean,
): boolean {
  if (one.epoch !== other.epoch) return one.epoch < other.epoch;
  return orEqual ? one.sequence <= other.sequence : one.sequence < other.sequence;
}

/** The newest change that the journal knows of, over all epochs. */
export async function lastJournaled(records: Pick<RecordStore, 'list'>): Promise<number> {
  const content = await surveyJournal(records);
  const epochs = new Set([...content.objects, ...content.checkpoints].map(({ epoch }) => epoch));
  return Math.max(0, ...[...epochs].map((epoch) => lastOf(content, epoch)));
}
