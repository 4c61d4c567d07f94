import type { RecordStore } from '../../storage/records.ts';
import type { JournalObject } from '../names.ts';
import { DamagedFile, readPortable } from '../portable.ts';
import { isChange, type JournalChange } from '../rows.ts';
import type { Losses } from './report.ts';

export interface ReadChange {
  readonly epoch: number;
  readonly change: JournalChange;
}

/**
 * The changes after a base, in order, each once. An object that is damaged is left out whole, and noted with the changes that it
 * held; so are changes that no object holds.
 */
export class JournalReader {
  #records: Pick<RecordStore, 'get'>;
  #objects: readonly JournalObject[];
  #losses: Losses;
  #base: { epoch: number; sequence: number };
  #damaged = new Set<string>();
  #noted = false;
  #identity: string | undefined;

  constructor(parts: {
    records: Pick<RecordStore, 'get'>;
    objects: readonly JournalObject[];
    base: { epoch: number; sequence: number } | undefined;
    losses: Losses;
  }) {
    this.#records = parts.records;
    this.#objects = parts.objects;
    this.#losses = parts.losses;
    this.#base = parts.base ?? { epoch: parts.objects[0]?.epoch ?? 0, sequence: 0 };
  }

  /** Objects that were read whole. */
  get used(): number {
    return this.#objects.length - this.#damaged.size;
  }

  /** Who the registry was when it wrote the newest object that was read; undefined where none says. */
  get identity(): string | undefined {
    return this.#identity;
  }

  /** Can be read again; what is lost is noted the first time. `upTo`: the newest change that any name tells of. */
  async *changes(upTo: number): AsyncGenerator<ReadChange> {
    let { epoch, sequence } = this.#base;
    for (const object of this.#objects) {
      this.#noteGap(sequence + 1, object.first - 1);
      if (object.epoch !== epoch) sequence = object.first - 1;
      epoch = object.epoch;
      for (const change of await this.#read(object)) if (change.sequence > sequence) yield { epoch, change };
      sequence = Math.max(sequence, object.last);
    }
    this.#noteGap(sequence + 1, upTo);
    this.#noted = true;
  }

  /** An object is read before anything of it is used: it counts whole or not at all. */
  async #read(object: JournalObject): Promise<JournalChange[]> {
    if (this.#damaged.has(object.name)) return [];
    const changes: JournalChange[] = [];
    try {
      const bytes = await this.#records.get(object.name);
      if (bytes === undefined) throw new DamagedFile(object.name, 'is not there');
      let identity: unknown;
      for await (const row of readPortable(object.name, bytes))
        if (isChange(row)) changes.push(row);
        else if (row.row === 'head') identity = row.identity;
      if (typeof identity === 'string') this.#identity = identity;
      return changes;
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error;
      this.#damaged.add(object.name);
      this.#losses.files.push({ name: object.name, problem: error.message });
      this.#noteGap(object.first, object.last);
      return [];
    }
  }

  #noteGap(first: number, last: number): void {
    if (!this.#noted && first <= last) this.#losses.changes.push({ first, last });
  }
}
