import { text } from 'node:stream/consumers';
import type { Digest } from '../../../domain/oci/digest.ts';
import type { RecordStore } from '../../storage/records.ts';

export interface Copied {
  readonly digest: Digest;
  /** In the target. */
  readonly key: string;
  readonly size: number;
}

/** Blobs that may be copied again after a crash. */
const AT_ONCE = 256;
/** Nor longer than this, milliseconds. */
const LONGEST = 5000;
const NAME = /^copied-(\d{8})$/;

/** What was copied and verified already, kept in the target, so that an interrupted migration goes on where it was. */
export class CopiedBlobs {
  #records: RecordStore;
  #known = new Map<Digest, Copied>();
  #pending: Copied[] = [];
  #next = 1;
  #savedAt = performance.now();
  #saving: Promise<void> = Promise.resolve();

  /** `present`: size by key of what the target holds; what is noted and not there any more is copied again. */
  static async load(records: RecordStore, present: ReadonlyMap<string, number>): Promise<CopiedBlobs> {
    const copied = new CopiedBlobs(records);
    for await (const { name } of records.list('copied-')) {
      const number = NAME.exec(name)?.[1];
      const bytes = number === undefined ? undefined : await records.get(name);
      if (number === undefined || bytes === undefined) continue;
      copied.#next = Number(number) + 1;
      for (const line of (await text(bytes)).split('\n').filter((one) => one !== '')) {
        const entry = JSON.parse(line) as Copied;
        if (present.get(entry.key) === entry.size) copied.#known.set(entry.digest, entry);
      }
    }
    return copied;
  }

  private constructor(records: RecordStore) {
    this.#records = records;
  }

  get(digest: Digest): Copied | undefined {
    return this.#known.get(digest);
  }

  async note(entry: Copied): Promise<void> {
    this.#known.set(entry.digest, entry);
    this.#pending.push(entry);
    if (this.#pending.length >= AT_ONCE || performance.now() - this.#savedAt > LONGEST) await this.save();
  }

  async save(): Promise<void> {
    const entries = this.#pending;
    this.#pending = [];
    this.#savedAt = performance.now();
    if (entries.length > 0) this.#saving = this.#saving.then(() => this.#put(entries));
    await this.#saving;
  }

  async #put(entries: readonly Copied[]): Promise<void> {
    const name = `copied-${String(this.#next++).padStart(8, '0')}`;
    await this.#records.put(name, Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')));
  }
}
