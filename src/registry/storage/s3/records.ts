import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { RecordStore } from '../records.ts';
import { type Body, Bucket, type Creation } from './bucket.ts';
import type { BucketPlace } from './client.ts';
import { Multipart, type Part } from './multipart.ts';
import { GATHER } from './part-plan.ts';

const NAME = /^[a-z0-9.-]+(\/[a-z0-9.-]+)*$/;

/** Small named objects below a prefix of a bucket. An object is there whole or not at all: so S3 stores them. */
export class BucketRecords implements RecordStore {
  readonly #bucket: Bucket;
  readonly #multipart: Multipart;
  readonly #prefix: string;
  readonly #creation: Creation;
  readonly #prove: boolean;

  constructor(place: BucketPlace, creation: Creation) {
    this.#bucket = new Bucket(place);
    this.#multipart = new Multipart(this.#bucket);
    this.#prefix = place.prefix;
    this.#creation = creation;
    this.#prove = place.endpoint?.startsWith('http:') === true;
  }

  async put(name: string, bytes: Uint8Array | Readable): Promise<void> {
    const object = this.#object(name);
    if (bytes instanceof Uint8Array) return void (await this.#bucket.put(object, this.#body([bytes]), this.#creation));
    const parts = inParts(bytes);
    const first = await parts.next();
    const second = first.done ? first : await parts.next();
    if (second.done) return void (await this.#bucket.put(object, this.#body(first.value ?? []), this.#creation));
    await this.#putParts(object, joined([first.value ?? [], second.value], parts));
  }

  async get(name: string): Promise<Readable | undefined> {
    return (await this.#bucket.get(this.#object(name)))?.body;
  }

  async *list(prefix: string): AsyncIterable<{ name: string; size: number; modifiedAt: number }> {
    for await (const { name, size, modifiedAt } of this.#bucket.list(this.#prefix + prefix)) {
      const relative = name.slice(this.#prefix.length);
      if (NAME.test(relative)) yield { name: relative, size, modifiedAt };
    }
  }

  async remove(name: string): Promise<void> {
    await this.#bucket.remove(this.#object(name));
  }

  async close(): Promise<void> {
    this.#bucket.close();
  }

  async #putParts(name: string, chunks: AsyncIterable<readonly Uint8Array[]>): Promise<void> {
    const id = await this.#multipart.create(name, this.#creation);
    try {
      const parts: Part[] = [];
      for await (const part of chunks) {
        const sent = await this.#multipart.upload({ name, id, number: parts.length + 1 }, this.#body(part));
        if (sent === undefined) throw new Error(`the multipart upload of ${name} is gone`);
        parts.push(sent);
      }
      const done = await this.#multipart.complete({ name, id }, parts);
      if (done === undefined) throw new Error(`the multipart upload of ${name} is gone`);
    } catch (error) {
      await this.#multipart.abort({ name, id }).catch(() => undefined);
      throw error;
    }
  }

  #body(chunks: readonly Uint8Array[]): Body {
    const length = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return {
      length,
      sha256: this.#prove ? hashOf(chunks) : undefined,
      async *bytes() {
        yield* chunks;
      },
    };
  }

  #object(name: string): string {
    if (!NAME.test(name) || name.split('/').includes('..')) {
      throw new RangeError(`record name ${JSON.stringify(name)} is not well-formed`);
    }
    return this.#prefix + name;
  }
}

/** Cuts a stream into lists of chunks that are a part each, the last one smaller. */
async function* inParts(stream: Readable): AsyncGenerator<Uint8Array[]> {
  let part: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    part.push(chunk);
    length += chunk.byteLength;
    if (length < GATHER) continue;
    yield part;
    part = [];
    length = 0;
  }
  if (length > 0) yield part;
}

async function* joined<T>(first: readonly T[], rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield* first;
  yield* rest;
}

function hashOf(chunks: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}
