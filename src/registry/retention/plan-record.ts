import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import type { RetentionPolicyStatusPlanImage } from '../../api/v1alpha1/retention-policy.gen.ts';
import type { RecordStore } from '../storage/records.ts';

/** One image of a whole plan, as a line of its record: all of its tags, not the first ten. */
export type PlannedImage = RetentionPolicyStatusPlanImage;

/** Writes a whole plan as NDJSON, compressed; never holds more than a batch. */
export class PlanWriter {
  readonly name: string;
  readonly #records: () => Promise<RecordStore>;
  readonly #compress = createZstdCompress();
  readonly #sum = createHash('sha256');
  #stored: Promise<void> | undefined;
  #failed: unknown;

  constructor(records: () => Promise<RecordStore>, name: string) {
    this.#records = records;
    this.name = name;
    // Whoever reads it is told; without a reader there is nobody to tell.
    this.#compress.on('error', () => undefined);
  }

  async write(images: readonly PlannedImage[]): Promise<void> {
    if (images.length === 0) return;
    // Begun with the first image: most evaluations find nothing to expire.
    this.#stored ??= this.#store().catch((error: unknown) => {
      this.#failed = error;
      this.#compress.destroy();
    });
    if (this.#failed !== undefined) throw this.#failed;
    const text = images.map((image) => `${JSON.stringify(image)}\n`).join('');
    this.#sum.update(text);
    if (!this.#compress.write(text)) await Promise.race([once(this.#compress, 'drain'), this.#stored]);
  }

  async #store(): Promise<void> {
    const records = await this.#records();
    await records.put(this.name, this.#compress);
  }

  /** The record's name, and the digest of its text, once it is stored; undefined where there was nothing to write. */
  async finish(): Promise<{ record: string; sum: string } | undefined> {
    if (this.#stored === undefined) return undefined;
    this.#compress.end();
    await this.#stored;
    if (this.#failed !== undefined) throw this.#failed;
    return { record: this.name, sum: this.#sum.digest('hex') };
  }

  /** Gives it up: nothing is stored. Never rejects. */
  async abandon(): Promise<void> {
    this.#compress.destroy(new Error('the evaluation was given up'));
    await this.#stored;
  }
}

/** A record as it is sent to people: NDJSON. Undefined where there is none of that name. */
export async function planText(records: RecordStore, name: string): Promise<Readable | undefined> {
  const stored = await records.get(name);
  if (stored === undefined) return undefined;
  const text = createZstdDecompress();
  stored.once('error', (error) => text.destroy(error));
  text.once('close', () => stored.destroy());
  return stored.pipe(text);
}

/** Whether a text is the one that was written. */
export async function isWhole(text: Readable, sum: string | undefined): Promise<boolean> {
  const hash = createHash('sha256');
  for await (const chunk of text) hash.update(chunk as Uint8Array);
  return hash.digest('hex') === sum;
}

/** Images of one repository at once, at most. */
const CHUNK = 1000;

/** A record's images in its order, in pieces that are each of one repository. */
export async function* planImages(text: Readable): AsyncGenerator<{ repository: string; images: PlannedImage[] }> {
  let images: PlannedImage[] = [];
  let repository = '';
  for await (const line of linesOf(text)) {
    const image = JSON.parse(line) as PlannedImage;
    if (images.length > 0 && (image.repository !== repository || images.length === CHUNK)) {
      yield { repository, images };
      images = [];
    }
    repository = image.repository;
    images.push(image);
  }
  if (images.length > 0) yield { repository, images };
}

/** readline would swallow errors of its input. */
async function* linesOf(text: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of text.setEncoding('utf8')) {
    const lines = `${rest}${chunk as string}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') throw new Error('the plan ends in the middle of a line');
}
