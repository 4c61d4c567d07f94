import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Refusal } from '../../domain/errors.ts';
import { algorithmOf, type Digest, digestOf } from '../../domain/oci/digest.ts';
import { Appender } from './filesystem/appender.ts';
import { Buffers } from './filesystem/buffers.ts';
import { storageError, unusableDirectory } from './filesystem/faults.ts';
import { isMissing, Layout, syncFolder } from './filesystem/layout.ts';
import { OpenFiles } from './filesystem/open-files.ts';
import { FileReader } from './filesystem/reader.ts';
import { type Occasion, usualOccasion } from './filesystem/sender.ts';
import type { Session } from './filesystem/session.ts';
import { Sessions } from './filesystem/sessions.ts';
import { Space } from './filesystem/space.ts';
import type { AppendOptions, BlobReader, BlobStore, StoredBlob, StoredKey } from './store.ts';
import { unknownUpload } from './upload-refusals.ts';

export interface FilesystemOptions {
  /** The data directory; `uploads` and `blobs` are made in it. */
  readonly directory: string;
  /** Free bytes that uploads must leave alone. */
  readonly reserveBytes: number;
  /** Leave the directory as it is: for looking at it beside a running registry. */
  readonly readOnly?: boolean;
  /** When a thread helps to send. */
  readonly help?: Occasion;
}

/** Stands where a client address would: what the store reads for itself. */
const rehashing = 'rehashing';

/** Bytes in files of one data directory. What `finish` returned survives a power cut. */
export class FilesystemStore implements BlobStore {
  readonly shared = false;
  get unseenTraffic(): number {
    return this.#buffers.unseen;
  }
  #layout: Layout;
  #sessions: Sessions;
  #space: Space;
  #buffers: Buffers;
  #files = new OpenFiles();

  /** Makes the folders and proves that they can be written. Throws StoreError that names directory, user and remedy. */
  static async open(options: FilesystemOptions): Promise<FilesystemStore> {
    const store = new FilesystemStore(options);
    if (options.readOnly !== true) await store.#prepare();
    return store;
  }

  private constructor({ directory, reserveBytes, help = usualOccasion }: FilesystemOptions) {
    this.#buffers = new Buffers(help);
    this.#layout = new Layout(directory);
    this.#sessions = new Sessions(this.#layout);
    this.#space = new Space(directory, reserveBytes);
  }

  async begin(id: string): Promise<void> {
    await this.#space.claim(0);
    await this.#named('beginning an upload', () => this.#sessions.create(id));
  }

  async append(id: string, body: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<{ size: number }> {
    return this.#named(`writing upload ${id}`, () =>
      this.#sessions.use(id, async (session) => {
        if (options.offset !== session.size) throw outOfOrder(options.offset, session.size);
        session.startHash(options.algorithm ?? 'sha256');
        await new Appender(session, this.#space, this.#sessions, options).run(body, options.signal);
        return { size: session.size };
      }),
    );
  }

  async progress(id: string): Promise<number | undefined> {
    if (!this.#layout.isUploadId(id)) return undefined;
    const open = await this.#sessions.size(id);
    if (open !== undefined) return open;
    const found = await absentAsUndefined(stat(this.#layout.upload(id)));
    return found?.size;
  }

  async finish(id: string, digest: Digest): Promise<StoredBlob> {
    const blob = await this.#named(`finishing upload ${id}`, () =>
      this.#sessions.use(id, (session) => this.#seal(session, digest)),
    );
    await this.#sessions.forget(id, true);
    if (blob !== undefined) return blob;
    await rm(this.#layout.upload(id), { force: true });
    throw new Refusal('DIGEST_INVALID', `the uploaded bytes do not have the digest ${digest}; nothing was stored`);
  }

  async cancel(id: string): Promise<void> {
    if (!this.#layout.isUploadId(id)) return;
    await this.#sessions.forget(id, true);
    await this.#named(`cancelling upload ${id}`, () => rm(this.#layout.upload(id), { force: true }));
  }

  async open(key: string): Promise<BlobReader | undefined> {
    const path = this.#layout.blob(key);
    const file = await this.#named(`opening ${key}`, () => absentAsUndefined(this.#files.take(key, path)));
    return file === undefined ? undefined : new FileReader(file, this.#files, this.#buffers);
  }

  content(key: string): Uint8Array | undefined {
    return this.#files.content(key);
  }

  async remove(key: string): Promise<void> {
    const path = this.#layout.blob(key);
    await this.#named(`removing ${key}`, () => rm(path, { force: true }));
    this.#files.forget(key);
  }

  async *list(): AsyncIterable<StoredKey> {
    for await (const { name, size, modifiedAt } of this.#layout.keys())
      yield { key: name, uploadId: this.#layout.uploadIdOf(name), size, modifiedAt };
  }

  async digestOf(key: string): Promise<Digest | undefined> {
    return this.#layout.digestOf(key);
  }

  async *uploads(): AsyncIterable<{ id: string; size: number; modifiedAt: number }> {
    for await (const { name, size, modifiedAt } of this.#layout.uploadIds()) yield { id: name, size, modifiedAt };
  }

  /** Bytes that uploads must leave free, from now on. */
  setReserve(bytes: number): void {
    this.#space.setReserve(bytes);
  }

  freeBytes(): Promise<number> {
    return this.#space.free();
  }

  async probe(): Promise<void> {
    const path = join(this.#layout.uploads, '.probe');
    try {
      const file = await open(path, 'w', 0o640);
      try {
        await file.write('probe');
        await file.datasync();
      } finally {
        await file.close();
      }
      await rm(path, { force: true });
    } catch (error) {
      throw unusableDirectory(this.#layout.directory, error);
    }
  }

  async close(): Promise<void> {
    this.#files.close();
    await this.#buffers.close();
    await this.#sessions.close();
  }

  async #prepare(): Promise<void> {
    try {
      await this.#layout.ensure(this.#layout.uploads);
      await this.#layout.ensure(this.#layout.blobs);
    } catch (error) {
      throw unusableDirectory(this.#layout.directory, error);
    }
    await this.probe();
  }

  /** Undefined where the bytes do not have that digest. */
  async #seal(session: Session, digest: Digest): Promise<StoredBlob | undefined> {
    const algorithm = algorithmOf(digest);
    const key = this.#layout.keyOf(digest, session.id);
    const path = this.#layout.blob(key);
    // The folder may be new, and is made durable meanwhile: one that stays empty does no harm.
    const syncing = Promise.all([session.synced(), this.#layout.ensure(dirname(path))]).then(() => undefined);
    syncing.catch(() => undefined);
    const hex = session.hexDigest(algorithm) ?? (await this.#rehash(session.file, algorithm).catch(keep(syncing)));
    await syncing;
    if (digestOf(algorithm, hex) !== digest) {
      session.ended = true;
      return undefined;
    }
    if (session.ended) throw unknownUpload(session.id);
    await rename(this.#layout.upload(session.id), path).catch((error: unknown) => {
      // Cancelled in the very moment.
      throw isMissing(error) ? unknownUpload(session.id) : error;
    });
    session.ended = true;
    await syncFolder(dirname(path));
    return { key, digest, size: session.size };
  }

  async #rehash(file: FileHandle, algorithm: 'sha256' | 'sha512'): Promise<string> {
    const hash = createHash(algorithm);
    const buffer = await this.#buffers.large.take(rehashing);
    try {
      for (let position = 0; ; ) {
        const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, position);
        if (bytesRead === 0) return hash.digest('hex');
        hash.update(buffer.subarray(0, bytesRead));
        position += bytesRead;
      }
    } finally {
      this.#buffers.large.give(buffer, rehashing);
    }
  }

  async #named<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storageError(error, doing);
    }
  }
}

/** Waits for what is under way before passing an error on, so that nothing is left running unobserved. */
function keep(pending: Promise<void>): (error: unknown) => Promise<never> {
  return async (error) => {
    await pending.catch(() => undefined);
    throw error;
  };
}

function outOfOrder(offset: number, size: number): Refusal {
  const message = `the upload holds ${size} bytes, and this chunk begins at ${offset}; go on at ${size}`;
  return new Refusal('BLOB_UPLOAD_INVALID', message, { status: 416 });
}

async function absentAsUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
