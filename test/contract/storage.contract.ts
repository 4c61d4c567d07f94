/** What every BlobStore promises. Run for each implementation by a test file of its own. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '../../src/domain/errors.ts';
import type { BlobStore } from '../../src/registry/storage/store.ts';
import { chunks, digest, digestOfBytes, upload } from './fixtures.ts';

export interface StorageFixture {
  readonly blobs: BlobStore;
  /** The same store as after a restart of the process. */
  reopen(): Promise<BlobStore>;
  /** Cuts the stored bytes of a key short behind the store's back. */
  truncate(key: string, size: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens an empty store. */
export type OpenStorage = () => Promise<StorageFixture>;

export function refusal(code: string, status: number): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Refusal, String(error));
    assert.deepEqual([error.code, error.status], [code, status]);
    return true;
  };
}

/** Takes bytes as a socket does: has no more need of them once it has called back. */
export class Collector extends Writable {
  received: Buffer[] = [];
  delay: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(delay = 0) {
    super({ highWaterMark: 16 * 1024 });
    this.delay = delay;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.received.push(Buffer.from(chunk));
    if (this.delay === 0) setImmediate(done);
    else this.#timer = setTimeout(done, this.delay);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    done(error);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.received);
  }
}

export async function read(blobs: BlobStore, key: string, start = 0, end?: number): Promise<Buffer> {
  const reader = await blobs.open(key);
  assert.ok(reader !== undefined, `${key} is not there`);
  const sink = new Collector();
  try {
    await reader.send(sink, start, end ?? reader.size - 1);
  } finally {
    await reader.close();
  }
  return sink.bytes;
}

async function* cut(bytes: Uint8Array, at: number): AsyncGenerator<Uint8Array> {
  yield* chunks(bytes.subarray(0, at));
  throw new Error('connection reset');
}

/** @param size of the blob that most is tried with, bytes: more than 3 MB */
export function storageContract(name: string, open: OpenStorage, size = 3 * 1024 * 1024 + 17): void {
  describe(`${name} as blob store`, () => {
    let fixture: StorageFixture;
    let blobs: BlobStore;
    const data = randomBytes(size);
    const begin = async () => {
      const id = randomUUID();
      await blobs.begin(id);
      return id;
    };
    const keys = async () => (await Array.fromAsync(blobs.list())).map(({ key }) => key);
    const uploadIds = async () => (await Array.fromAsync(blobs.uploads())).map(({ id }) => id);
    before(async () => {
      fixture = await open();
      blobs = fixture.blobs;
    });
    after(() => fixture.close());

    describe('uploads', () => {
      it('are stored as they came, in one piece or many, under keys of their own', async () => {
        const id = await begin();
        assert.equal(await blobs.progress(id), 0);
        for (let at = 0; at < data.length; at += 1_000_000) {
          const part = data.subarray(at, at + 1_000_000);
          assert.deepEqual(await blobs.append(id, chunks(part, 7001), { offset: at }), { size: at + part.length });
          assert.equal(await blobs.progress(id), at + part.length);
        }
        const { key, size } = await blobs.finish(id, digestOfBytes(data));
        const again = await upload(blobs, data);
        assert.equal(size, data.length);
        assert.notEqual(again, key);
        for (const one of [key, again]) assert.ok((await read(blobs, one)).equals(data));
        assert.equal(await blobs.progress(id), undefined);
        assert.ok((await keys()).includes(key));
      });

      it('of zero bytes are blobs too', async () => {
        const nothing = Buffer.alloc(0);
        const id = await begin();
        await blobs.append(id, chunks(nothing), { offset: 0 });
        const { key, size } = await blobs.finish(id, digestOfBytes(nothing));
        assert.equal(size, 0);
        assert.equal((await read(blobs, key)).length, 0);
        assert.equal((await read(blobs, await upload(blobs, nothing))).length, 0);
      });

      it('may be named by sha512 at the end, or from the start', async () => {
        for (const announced of ['sha256', 'sha512'] as const) {
          const id = await begin();
          await blobs.append(id, chunks(data), { offset: 0, algorithm: announced });
          const wanted = digestOfBytes(data, 'sha512');
          const { key, digest: stored } = await blobs.finish(id, wanted);
          assert.equal(stored, wanted);
          assert.ok((await read(blobs, key)).equals(data));
        }
      });

      it('with another digest than promised are refused and leave no trace', async () => {
        const before = await keys();
        for (const algorithm of ['sha256', 'sha512'] as const) {
          const id = await begin();
          await blobs.append(id, chunks(data), { offset: 0 });
          const wrong = digestOfBytes(Buffer.from('other'), algorithm);
          await assert.rejects(blobs.finish(id, wrong), refusal('DIGEST_INVALID', 400));
          assert.equal(await blobs.progress(id), undefined);
          assert.ok(!(await uploadIds()).includes(id));
        }
        // Bytes may lie there until the sweep comes, but nothing says what they are.
        for (const key of await keys()) if (!before.includes(key)) assert.equal(await blobs.digestOf(key), undefined);
      });

      it('go on only where they stopped', async () => {
        const id = await begin();
        await blobs.append(id, chunks(data.subarray(0, 100)), { offset: 0 });
        for (const offset of [0, 99, 101])
          await assert.rejects(blobs.append(id, chunks(data), { offset }), refusal('BLOB_UPLOAD_INVALID', 416));
        assert.equal(await blobs.progress(id), 100);
        await blobs.append(id, chunks(data.subarray(100)), { offset: 100 });
        await blobs.finish(id, digestOfBytes(data));
      });

      it('keep what arrived of a body that was cut, and can be resumed', async () => {
        const id = await begin();
        await assert.rejects(blobs.append(id, cut(data, 1_234_567), { offset: 0 }), /connection reset/);
        assert.equal(await blobs.progress(id), 1_234_567);
        await blobs.append(id, chunks(data.subarray(1_234_567)), { offset: 1_234_567 });
        const { key } = await blobs.finish(id, digestOfBytes(data));
        assert.ok((await read(blobs, key)).equals(data));
      });

      it('stop at the size that is allowed', async () => {
        const id = await begin();
        const tooMuch = blobs.append(id, chunks(data), { offset: 0, maxBytes: 1_000_000 });
        await assert.rejects(tooMuch, refusal('SIZE_INVALID', 413));
        assert.ok(((await blobs.progress(id)) ?? 0) <= 1_000_000);
        await blobs.cancel(id);
      });

      it('take one request at a time', async () => {
        const id = await begin();
        let go = () => {};
        const gate = new Promise<void>((resolve) => {
          go = resolve;
        });
        const slow = async function* () {
          yield data.subarray(0, 10);
          await gate;
          yield data.subarray(10);
        };
        const first = blobs.append(id, slow(), { offset: 0 });
        await sleep(20);
        await assert.rejects(blobs.append(id, chunks(data), { offset: 0 }), refusal('BLOB_UPLOAD_INVALID', 409));
        await assert.rejects(blobs.finish(id, digestOfBytes(data)), refusal('BLOB_UPLOAD_INVALID', 409));
        go();
        await first;
        const finishes = await Promise.allSettled([1, 2].map(() => blobs.finish(id, digestOfBytes(data))));
        assert.equal(finishes.filter(({ status }) => status === 'fulfilled').length, 1);
      });

      it('that are cancelled are gone, also in the middle of a body', async () => {
        const id = await begin();
        const endless = async function* () {
          for (;;) {
            yield data.subarray(0, 100_000);
            await sleep(1);
          }
        };
        const writing = assert.rejects(blobs.append(id, endless(), { offset: 0 }), refusal('BLOB_UPLOAD_UNKNOWN', 404));
        await sleep(30);
        await blobs.cancel(id);
        await writing;
        assert.equal(await blobs.progress(id), undefined);
        assert.ok(!(await uploadIds()).includes(id));
        await blobs.cancel(id);
      });

      it('that never began are unknown', async () => {
        for (const id of [randomUUID(), '../../etc/passwd', '']) {
          await assert.rejects(blobs.append(id, chunks(data), { offset: 0 }), refusal('BLOB_UPLOAD_UNKNOWN', 404));
          await assert.rejects(blobs.finish(id, digest(1)), refusal('BLOB_UPLOAD_UNKNOWN', 404));
          assert.equal(await blobs.progress(id), undefined);
          await blobs.cancel(id);
        }
      });

      it('survive a restart, and are hashed anew', async () => {
        const id = await begin();
        await blobs.append(id, chunks(data.subarray(0, 2_000_000)), { offset: 0 });
        blobs = await fixture.reopen();
        assert.equal(await blobs.progress(id), 2_000_000);
        assert.ok((await uploadIds()).includes(id));
        await blobs.append(id, chunks(data.subarray(2_000_000)), { offset: 2_000_000 });
        const { key } = await blobs.finish(id, digestOfBytes(data));
        assert.ok((await read(blobs, key)).equals(data));
      });
    });

    describe('reading', () => {
      it('sends any range exactly', async () => {
        const key = await upload(blobs, data);
        const end = data.length - 1;
        for (const [from, to] of [
          [0, 0],
          [0, end],
          [end, end],
          [5, 70_000],
          [1_048_575, 1_048_576],
          [100, 2_500_000],
        ] as const)
          assert.ok((await read(blobs, key, from, to)).equals(data.subarray(from, to + 1)), `${from}-${to}`);
      });

      it('gives every one of many clients his own bytes', async () => {
        const contents = Array.from({ length: 6 }, (_, n) => Buffer.alloc(2_500_000 + n, n + 1));
        const stored = await Promise.all(contents.map((bytes) => upload(blobs, bytes)));
        const reads = Array.from({ length: 60 }, async (_, n) => {
          const bytes = await read(blobs, stored[n % 6] ?? '');
          assert.ok(bytes.equals(contents[n % 6] ?? Buffer.alloc(0)));
        });
        await Promise.all(reads);
      });

      it('ends when the client goes away, and others go on', async () => {
        const key = await upload(blobs, data);
        const reader = await blobs.open(key);
        assert.ok(reader !== undefined);
        const sinks = Array.from({ length: 40 }, () => new Collector(10_000));
        const sends = sinks.map((sink) => assert.rejects(reader.send(sink, 0, reader.size - 1)));
        await sleep(20);
        for (const sink of sinks) sink.destroy();
        await Promise.all(sends);
        await reader.close();
        assert.ok((await read(blobs, key)).equals(data));
      });

      it('is not held up by clients that are slow', async () => {
        const key = await upload(blobs, data);
        const reader = await blobs.open(key);
        assert.ok(reader !== undefined);
        const sinks = Array.from({ length: 40 }, () => new Collector(60_000));
        const sends = sinks.map((sink) => reader.send(sink, 0, reader.size - 1).catch(() => undefined));
        await sleep(50);
        const started = performance.now();
        assert.ok((await read(blobs, key)).equals(data));
        assert.ok(performance.now() - started < 5000);
        for (const sink of sinks) sink.destroy();
        await Promise.all(sends);
        await reader.close();
      });

      it('fails where the bytes are fewer than they should be', async () => {
        const key = await upload(blobs, data);
        const reader = await blobs.open(key);
        assert.ok(reader !== undefined);
        await fixture.truncate(key, 1_500_000);
        const sink = new Collector();
        await assert.rejects(reader.send(sink, 0, reader.size - 1), { kind: 'corrupt' });
        assert.ok(sink.bytes.length <= 1_500_000);
        await reader.close();
      });

      it('knows nothing of a key that was removed', async () => {
        const key = await upload(blobs, data);
        const reader = await blobs.open(key);
        await blobs.remove(key);
        await blobs.remove(key);
        assert.equal(await blobs.open(key), undefined);
        assert.ok(!(await keys()).includes(key));
        await reader?.close();
      });

      it('tells of every key which upload and which digest it came from', async () => {
        const id = await begin();
        await blobs.append(id, chunks(data), { offset: 0 });
        const wanted = digestOfBytes(data, 'sha512');
        const { key } = await blobs.finish(id, wanted);
        const listed = (await Array.fromAsync(blobs.list())).find((entry) => entry.key === key);
        assert.deepEqual([listed?.uploadId, listed?.size], [id, data.length]);
        assert.ok(Math.abs((listed?.modifiedAt ?? 0) - Date.now()) < 60_000);
        assert.equal(await blobs.digestOf(key), wanted);
      });

      it('refuses keys that are none', async () => {
        for (const key of ['../metadata.db', 'sha256/ab/x', '/etc/passwd', ''])
          await assert.rejects(blobs.open(key), RangeError);
      });
    });

    it('can be probed', async () => {
      await blobs.probe();
      assert.ok(((await blobs.freeBytes()) ?? 1) > 0);
    });
  });
}
