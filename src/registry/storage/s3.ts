import { randomUUID } from 'node:crypto';
import { Refusal } from '../../domain/errors.ts';
import type { Digest } from '../../domain/oci/digest.ts';
import { StoreError } from '../metadata/store.ts';
import type { RecordStore } from './records.ts';
import { Appender, type AppenderParts } from './s3/appender.ts';
import { type Patience, usualPatience } from './s3/attempts.ts';
import { Bucket, type Creation } from './s3/bucket.ts';
import type { BucketPlace } from './s3/client.ts';
import { Finisher } from './s3/finisher.ts';
import { KnownObjects } from './s3/known-objects.ts';
import { Layout } from './s3/layout.ts';
import { Multipart } from './s3/multipart.ts';
import { PartMemory, type PartMemoryBounds } from './s3/part-memory.ts';
import { GATHER, type PartPlan, usualPlan } from './s3/part-plan.ts';
import { ObjectReader, type ReaderParts } from './s3/reader.ts';
import { BucketRecords } from './s3/records.ts';
import type { Session } from './s3/session.ts';
import { Sessions } from './s3/sessions.ts';
import { Slots } from './s3/slots.ts';
import { uploadsIn } from './s3/uploads.ts';
import { SlowLane } from './slow-lane.ts';
import type { AppendOptions, BlobReader, BlobStore, ByteSpan, HeldUse, StoredBlob, StoredKey } from './store.ts';
import { unknownUpload } from './upload-refusals.ts';

export interface S3Options extends BucketPlace {
  readonly serverSideEncryption?:
    | { algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse'; kmsKeyID?: string | undefined }
    | undefined;
  readonly storageClass?: string | undefined;
  readonly redirects?: { readonly mode: 'None' | 'Presigned'; readonly expirySeconds: number };
  /** Leave the bucket as it is: for looking at it beside a running registry. */
  readonly readOnly?: boolean;
  /** Other processes may serve the same uploads; so unless given. */
  readonly replicas?: boolean;
  readonly patience?: Patience;
  readonly plan?: PartPlan;
  readonly memory?: PartMemoryBounds;
}

/** Streams from the bucket at once; each holds a connection and some hundred KiB. */
const READS = 16;

/** Opens a bucket and proves that it can be written. Throws StoreError that says what is wrong and what to do. */
export async function openS3Store(options: S3Options): Promise<BlobStore> {
  const store = new S3Store(options);
  try {
    if (options.readOnly !== true) await store.probe();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Small named objects in a bucket: the journal, snapshots. Nothing is asked of the bucket yet. */
export function openS3Records(options: Omit<S3Options, 'redirects'>): RecordStore {
  return new BucketRecords(options, encryption(options));
}

/** Bytes in a bucket. What `finish` returned is as durable as the bucket is. */
class S3Store implements BlobStore {
  readonly shared: boolean;
  readonly #bucket: Bucket;
  readonly #layout: Layout;
  readonly #multipart: Multipart;
  readonly #sessions: Sessions;
  readonly #parts: AppenderParts;
  readonly #finisher: Finisher;
  readonly #readers: ReaderParts;
  readonly #redirects: S3Options['redirects'];
  readonly #cleaning = new Set<Promise<void>>();

  constructor(options: S3Options) {
    const { patience = usualPatience, replicas = true } = options;
    this.shared = replicas;
    this.#redirects = options.redirects;
    this.#bucket = new Bucket(options, patience);
    this.#layout = new Layout(options.prefix);
    this.#multipart = new Multipart(this.#bucket);
    const creation = encryption(options);
    const memory = options.memory ?? { limit: 2 * GATHER, part: GATHER };
    this.#parts = {
      bucket: this.#bucket,
      layout: this.#layout,
      multipart: this.#multipart,
      memory: new PartMemory(memory),
      gather: memory.part,
      plan: options.plan ?? usualPlan,
      prove: options.endpoint?.startsWith('http:') === true,
      creation,
      blobCreation: { ...creation, ...storageClass(options) },
    };
    this.#sessions = new Sessions({ ...this.#parts, replicas });
    this.#finisher = new Finisher(this.#parts);
    const { silentMillis } = patience;
    const lane = new SlowLane();
    this.#readers = { bucket: this.#bucket, known: new KnownObjects(), slots: new Slots(READS), lane, silentMillis };
  }

  async begin(id: string, { alone = false }: { alone?: boolean } = {}): Promise<void> {
    await this.#sessions.create(id, alone);
  }

  async append(id: string, body: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<{ size: number }> {
    return this.#use(id, options, async (session) => {
      if (options.offset !== session.size) throw outOfOrder(options.offset, session.size);
      if (session.completed) throw unknownUpload(id);
      if (session.size === 0) session.hash.start(options.algorithm ?? 'sha256');
      await new Appender(session, this.#parts).run(body, options);
      return { size: session.size };
    });
  }

  async progress(id: string): Promise<number | undefined> {
    return this.#layout.isUploadId(id) ? this.#sessions.size(id) : undefined;
  }

  async finish(id: string, digest: Digest, use: HeldUse = {}): Promise<StoredBlob> {
    const finished = await this.#use(id, use, async (session) => {
      try {
        const { key, size } = await this.#finisher.finish(session, digest);
        session.ended = true;
        return { key, size, session };
      } catch (error) {
        if (error instanceof Refusal && error.code === 'DIGEST_INVALID') session.ended = true;
        throw error;
      }
    }).catch(async (error: unknown) => {
      if (error instanceof Refusal && error.code === 'DIGEST_INVALID') await this.cancel(id);
      throw error;
    });
    const { key, size, session } = finished;
    this.#readers.known.note(key, size);
    this.#cleanUp(session);
    return { key, digest, size };
  }

  async cancel(id: string): Promise<void> {
    if (!this.#layout.isUploadId(id)) return;
    const known = await this.#sessions.end(id);
    // Of an upload that nobody else ever heard of there is nothing but its parts.
    const alone = known !== undefined && known.claim === undefined;
    if (alone && known.multipart === undefined) return;
    const name = this.#layout.blob(id);
    if (known?.multipart !== undefined) await this.#multipart.abort({ name, id: known.multipart.id });
    if (alone) return;
    for await (const ongoing of this.#multipart.ongoing(name)) {
      if (ongoing.name === name) await this.#multipart.abort(ongoing);
    }
    const objects = await Array.fromAsync(this.#bucket.list(this.#layout.session(id)));
    await this.#bucket.removeAll(objects.map((object) => object.name));
  }

  async open(key: string, wanted?: ByteSpan): Promise<BlobReader | undefined> {
    const target = { key, object: this.#layout.blob(key) };
    const { known } = this.#readers;
    const redirected = this.#redirects?.mode === 'Presigned';
    const asks = wanted !== undefined && wanted.end >= wanted.start && !redirected && known.content(key) === undefined;
    if (asks) return ObjectReader.open(target, this.#readers, wanted);
    const size = known.size(key) ?? (await this.#look(target));
    if (size === undefined) return undefined;
    return new ObjectReader(target, this.#readers, {
      size,
      ...(redirected && { location: this.#location(target.object) }),
    });
  }

  content(key: string): Uint8Array | undefined {
    return this.#readers.known.content(key);
  }

  async remove(key: string): Promise<void> {
    const object = this.#layout.blob(key);
    const { digest, uploadId } = this.#layout.parts(key);
    this.#readers.known.forget(key);
    // The marker first: bytes without one are found by the next listing, a marker alone is found by nobody.
    const markers =
      digest === undefined ? await Array.fromAsync(this.#bucket.list(this.#layout.markers(uploadId))) : [];
    for (const marker of markers) await this.#bucket.remove(marker.name);
    await this.#bucket.remove(object);
  }

  async *list(): AsyncIterable<StoredKey> {
    for await (const { name, size, modifiedAt } of this.#bucket.list(this.#layout.blobs)) {
      const key = this.#layout.keyNamed(name);
      if (key !== undefined) yield { key, uploadId: this.#layout.parts(key).uploadId, size, modifiedAt };
    }
  }

  async digestOf(key: string): Promise<Digest | undefined> {
    const { digest, uploadId } = this.#layout.parts(key);
    if (digest !== undefined) return digest;
    for await (const { name } of this.#bucket.list(this.#layout.markers(uploadId), 1)) {
      return this.#layout.markerNamed(name)?.digest;
    }
    return undefined;
  }

  uploads(): AsyncIterable<{ id: string; size: number; modifiedAt: number }> {
    return uploadsIn(this.#parts);
  }

  freeBytes(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async probe(): Promise<void> {
    const name = `${this.#layout.prefix}probe/${randomUUID()}`;
    const proof = Buffer.from(randomUUID());
    await this.#bucket.putBytes(name, proof, this.#parts.blobCreation);
    const read = await this.#bucket.read(name);
    await this.#bucket.remove(name);
    if (read !== undefined && proof.equals(Buffer.concat(read))) return;
    throw new StoreError(
      'io',
      `the bucket ${this.#bucket.name} did not give back what was stored a moment before; it cannot be used`,
    );
  }

  async close(): Promise<void> {
    this.#sessions.close();
    await Promise.all(this.#cleaning);
    this.#bucket.close();
  }

  async #use<T>(id: string, use: HeldUse, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#sessions.use(id, use, async (session) => {
      try {
        return await work(session);
      } catch (error) {
        // Whatever was taken and not stored is gone: the bucket says from where to go on.
        if (error instanceof StoreError) this.#sessions.forget(session);
        throw error;
      }
    });
  }

  async #look({ key, object }: { key: string; object: string }): Promise<number | undefined> {
    const found = await this.#bucket.head(object);
    if (found !== undefined) this.#readers.known.note(key, found.size);
    return found?.size;
  }

  #location(object: string): (method: 'GET' | 'HEAD') => Promise<string> {
    const seconds = this.#redirects?.expirySeconds ?? 0;
    return (method) => this.#bucket.presign(object, method, seconds);
  }

  /** The client does not wait for it; what stays because of a fault goes with the sweep of abandoned uploads. */
  #cleanUp(session: Session): void {
    const cleaning = this.#clean(session)
      .catch(() => undefined)
      .finally(() => {
        this.#cleaning.delete(cleaning);
        this.#sessions.forget(session);
      });
    this.#cleaning.add(cleaning);
  }

  async #clean(session: Session): Promise<void> {
    const pieces = await session.tail.release();
    if (session.claim === undefined) return;
    const { layout } = this.#parts;
    const record = session.multipart === undefined ? [] : [layout.multipart(session.id)];
    // The claim last: without it the rest would look like nobody's.
    await this.#bucket.removeAll([...pieces, ...record, layout.begun(session.id)]);
  }
}

function encryption({ serverSideEncryption: encrypted }: S3Options): Creation {
  if (encrypted === undefined) return {};
  const { algorithm, kmsKeyID } = encrypted;
  return { ServerSideEncryption: algorithm, ...(kmsKeyID !== undefined && { SSEKMSKeyId: kmsKeyID }) };
}

/** For what stays. Objects of uploads under way go within hours, and some classes charge for a month at least. */
function storageClass({ storageClass: name }: S3Options): Creation {
  return name === undefined ? {} : { StorageClass: name as NonNullable<Creation['StorageClass']> };
}

function outOfOrder(offset: number, size: number): Refusal {
  const message = `the upload holds ${size} bytes, and this chunk begins at ${offset}; go on at ${size}`;
  return new Refusal('BLOB_UPLOAD_INVALID', message, { status: 416 });
}
