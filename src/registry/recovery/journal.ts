import { buffer } from 'node:stream/consumers';
import { messageOf } from '../../platform/fatal.ts';
import { giveBack } from '../../platform/give-back.ts';
import type { Log } from '../../platform/log.ts';
import { Turns } from '../../platform/turns.ts';
import type { Recovery } from '../metadata/recovery.ts';
import type { ChangeRow, MetadataStore } from '../metadata/store.ts';
import type { RecordStore } from '../storage/records.ts';
import { removeCovered, writeBase } from './base.ts';
import { HEAVY, journalChange } from './journal-change.ts';
import { refuseLongStepBack } from './lost-history.ts';
import { checkpointName, type JournalObject, lastOf, newestEpoch, objectName, surveyJournal } from './names.ts';
import { writePortable } from './portable.ts';
import type { JournalChange } from './rows.ts';
import { isReplaced, isSame, lastChangeOf } from './step-back.ts';

export type JournalSource = Pick<
  MetadataStore,
  'changes' | 'manifest' | 'manifestBytes' | 'blob' | 'rule' | 'identity'
> &
  Pick<Recovery, 'export' | 'lastSequence'>;

export interface JournalParts {
  readonly metadata: JournalSource;
  readonly records: RecordStore;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** The journal since the last checkpoint may grow to this, bytes; 64 MiB unless given. */
  readonly checkpointBytes?: number;
  /** Of work that takes much memory. */
  readonly turns?: Turns;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** What one object may hold; memory is bounded by it. */
const most = { changes: 500, bytes: 2 * 1024 * 1024 };
/** How long large manifests that arrive are let go first, milliseconds: the journal has five seconds for all. */
const PATIENCE = 1000;
/** The journal may also grow to the size of its checkpoint where that is larger. */
const CHECKPOINT_BYTES = 64 * 1024 * 1024;
/** After a checkpoint failed, milliseconds. */
const RETRY = 30_000;
/** What an object counts at least, bytes: there shall not be a hundred thousand tiny ones. */
const OBJECT_COST = 4096;

/**
 * Writes every change with what it brought into objects beside the blobs. It follows the change feed, so that pushes do not
 * wait for it; what an object says is never changed afterwards.
 */
export class Journal {
  #parts: JournalParts;
  #turns: Turns;
  #epoch: number;
  /** Changes up to this one are in the journal or its checkpoint. */
  #sequence: number;
  /** That one as this process first saw it: the metadata must go on telling the same of it. */
  #last: ChangeRow | undefined;
  #objects: JournalObject[];
  /** What the objects since the last checkpoint count, bytes. */
  #bytes: number;
  #checkpointSize = 0;
  #checkpointing: Promise<void> | undefined;
  /** Without one this epoch cannot be restored; not before this time. */
  #owedAt: number | undefined;
  /** When the oldest change was made that is not in the journal. */
  #oldest: number | undefined;

  /**
   * Goes on where the journal ends. Where it does not reach back to the beginning, or knows changes that the metadata does not
   * (any more), a new epoch begins with a checkpoint.
   * @throws Fatal where the metadata lost more than a failover explains
   */
  static async open(parts: JournalParts): Promise<Journal> {
    const back = await refuseLongStepBack(parts);
    const content = await surveyJournal(parts.records);
    const newest = newestEpoch(content);
    const known = lastOf(content, newest);
    const last = await parts.metadata.lastSequence();
    if (back !== undefined || known > last) {
      parts.log.warn(
        { journal: known, metadata: last },
        'the metadata lacks changes that the journal has: it went back',
      );
      return Journal.#begin(parts, newest + 1, last);
    }
    const all = content.objects.filter(({ epoch }) => epoch === newest);
    const checkpoint = content.checkpoints.filter(({ epoch }) => epoch === newest).at(-1);
    const objects = all.filter((object) => object.last > (checkpoint?.sequence ?? 0));
    const reachesBack = checkpoint !== undefined || objects[0]?.first === 1 || (newest === 0 && last === 0);
    if (!reachesBack) return Journal.#begin(parts, newest + 1, last);
    const journal = new Journal(parts, { epoch: Math.max(newest, 1), sequence: known, objects });
    journal.#checkpointSize = checkpoint?.size ?? 0;
    const end = all.find((object) => object.last === known);
    journal.#last = end && (await lastChangeOf(parts.records, end));
    return journal;
  }

  static async #begin(parts: JournalParts, epoch: number, sequence: number): Promise<Journal> {
    const journal = new Journal(parts, { epoch, sequence, objects: [] });
    journal.#owe(0);
    return journal;
  }

  private constructor(
    parts: JournalParts,
    { epoch, sequence, objects }: { epoch: number; sequence: number; objects: JournalObject[] },
  ) {
    this.#parts = parts;
    this.#turns = parts.turns ?? new Turns();
    this.#epoch = epoch;
    this.#sequence = sequence;
    this.#objects = objects;
    this.#bytes = costOf(objects);
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Every change up to this one is safe here: history before it may be trimmed. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Age of the oldest change that is not in the journal yet, seconds. */
  lagSeconds(): number {
    return this.#oldest === undefined ? 0 : Math.max(0, this.#parts.now() - this.#oldest) / 1000;
  }

  /** Writes all that was committed until now. Rejects where the record store fails; the next call tries again. */
  async flush(): Promise<void> {
    for (;;) {
      const changes = await this.#following();
      this.#oldest = changes[0]?.at;
      if (changes.length > 0) await this.#write(changes);
      else await this.#noticeStepBack();
      this.#checkpointWhereDue();
      if (changes.length === 0) return;
    }
  }

  get isCheckpointing(): boolean {
    return this.#checkpointing !== undefined;
  }

  /** Waits for a checkpoint that is under way. Never rejects. */
  async settle(): Promise<void> {
    await this.#checkpointing;
  }

  /**
   * The changes that are to be written next. None where the last one that was written is another now: its number was given out
   * again, and by now there may be later ones.
   */
  async #following(): Promise<ChangeRow[]> {
    const [first, ...rest] = await this.#parts.metadata.changes(this.#sequence - 1, most.changes + 1);
    if (first === undefined) return [];
    if (first.sequence !== this.#sequence) return [first, ...rest];
    this.#last ??= first;
    return isSame(first, this.#last) ? rest : [];
  }

  async #rows(changes: readonly ChangeRow[]): Promise<JournalChange[]> {
    const rows: JournalChange[] = [];
    let bytes = 0;
    for (const change of changes) {
      const row = await journalChange(this.#parts.metadata, change);
      rows.push(row);
      const length = row.manifest?.bytes.byteLength ?? 0;
      bytes += length;
      if (bytes >= most.bytes) break;
    }
    return rows;
  }

  async #write(changes: readonly ChangeRow[]): Promise<void> {
    // Others wait for their turn in memory, never for the record store.
    const { bytes, first, last } = await this.#turns.runLater(() => this.#pack(changes), PATIENCE);
    const name = objectName(this.#epoch, first, last);
    await this.#parts.records.put(name, bytes);
    const object = { name, epoch: this.#epoch, first, last, size: bytes.byteLength };
    this.#objects.push(object);
    this.#bytes += costOf([object]);
    this.#sequence = last;
    this.#last = changes.find(({ sequence }) => sequence === last);
  }

  async #pack(changes: readonly ChangeRow[]): Promise<{ bytes: Uint8Array; first: number; last: number }> {
    const rows = await this.#rows(changes);
    const first = this.#sequence + 1;
    const last = rows.at(-1)?.sequence ?? first;
    const identity = await this.#parts.metadata.identity();
    const takenAt = this.#parts.now();
    const head = { kind: 'journal', after: this.#sequence, sequence: last, takenAt, identity } as const;
    const bytes = await buffer(writePortable(head, rows));
    free(rows);
    return { bytes, first, last };
  }

  /** A database that failed over may have lost its last commits, whose numbers are given out again. Throws Fatal where it lost more. */
  async #noticeStepBack(): Promise<void> {
    const last = await this.#parts.metadata.lastSequence();
    const same = last >= this.#sequence && !(await isReplaced(this.#parts.metadata, this.#last));
    if (same || this.#checkpointing !== undefined) return;
    await refuseLongStepBack(this.#parts);
    this.#parts.log.warn(
      { journal: this.#sequence, metadata: last },
      'the metadata went back; a new checkpoint is taken',
    );
    this.#epoch += 1;
    this.#sequence = last;
    this.#last = undefined;
    this.#objects = [];
    this.#bytes = 0;
    this.#owe(0);
  }

  #owe(milliseconds: number): void {
    this.#owedAt = this.#parts.now() + milliseconds;
  }

  /** Beside the journal, which goes on meanwhile. */
  #checkpointWhereDue(): void {
    const owed = this.#owedAt !== undefined && this.#owedAt <= this.#parts.now();
    const { checkpointBytes = CHECKPOINT_BYTES } = this.#parts;
    const large = this.#owedAt === undefined && this.#bytes > Math.max(checkpointBytes, this.#checkpointSize);
    if (!owed && !large) return;
    this.#checkpointing ??= this.#checkpoint()
      .catch((error: unknown) => {
        this.#owe(RETRY);
        this.#parts.log.warn({ reason: messageOf(error) }, 'a checkpoint of the metadata failed; tried again in 30 s');
      })
      .finally(() => {
        this.#checkpointing = undefined;
      });
  }

  async #checkpoint(): Promise<void> {
    const { records, metadata, log } = this.#parts;
    const epoch = this.#epoch;
    const name = (moment: { sequence: number }) => checkpointName(epoch, moment.sequence);
    const { sequence, size } = await writeBase({ metadata, records, name });
    if (epoch !== this.#epoch) return;
    this.#owedAt = undefined;
    this.#checkpointSize = size;
    this.#objects = this.#objects.filter(({ last }) => last > sequence);
    this.#bytes = costOf(this.#objects);
    await removeCovered(records, { epoch, sequence, now: this.#parts.now() });
    log.info({ sequence, size }, 'checkpoint of the metadata taken');
  }
}

function costOf(objects: readonly JournalObject[]): number {
  return objects.reduce((sum, { size }) => sum + Math.max(size, OBJECT_COST), 0);
}

/** Large manifests and what became of them on the way are freed at once: they would add to the next one. */
function free(rows: readonly JournalChange[]): void {
  const heavy = rows.flatMap(({ manifest }) => (manifest && manifest.bytes.byteLength > HEAVY ? [manifest.bytes] : []));
  heavy.forEach(giveBack);
  if (heavy.length > 0) globalThis.gc?.();
}
