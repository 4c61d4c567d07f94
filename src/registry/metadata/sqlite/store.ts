import type { Digest } from '../../../domain/oci/digest.ts';
import type { ExportedRow, Recovery, SnapshotRow } from '../recovery.ts';
import type {
  Actor,
  BlobRow,
  ManifestRow,
  ManifestWithBytes,
  MetadataStore,
  Millis,
  NewBlob,
  NewManifest,
  Page,
  Reference,
  UploadRow,
} from '../store.ts';
import type { Connection } from './connection.ts';
import { closed, storeError } from './faults.ts';
import { LARGEST, ReadCache } from './read-cache.ts';
import * as blobReads from './reads/blobs.ts';
import * as manifestReads from './reads/manifests.ts';
import * as nameReads from './reads/names.ts';
import * as progressReads from './reads/progress.ts';
import { importInto } from './recovery.ts';
import { exportRows } from './recovery-export.ts';
import * as recoveryReads from './recovery-reads.ts';
import type { Writer } from './writer.ts';

/**
 * The embedded store. Reads run on the calling thread through one read-only connection (microseconds, and they see every
 * commit at once); writes go to the writer.
 */
export class SqliteStore implements MetadataStore, Recovery {
  #reader: Connection;
  #writer: Writer;
  #release: () => void;
  #path: string;
  #cache: ReadCache | undefined;

  /** `exclusive`: every write comes through this store, so that rows may be remembered between reads. */
  constructor(parts: { path: string; reader: Connection; writer: Writer; exclusive: boolean; release: () => void }) {
    this.#path = parts.path;
    this.#cache = parts.exclusive ? new ReadCache() : undefined;
    this.#reader = parts.reader;
    this.#writer = parts.writer;
    this.#release = parts.release;
  }

  manifest(repository: string, reference: Reference): ManifestRow | undefined {
    const name = 'tag' in reference ? `t ${reference.tag}` : `m ${reference.digest}`;
    const known = this.#cache?.get<ManifestRow | ManifestWithBytes>(repository, name);
    if (known !== undefined) return known;
    return this.#keep(repository, name, (reader) => manifestReads.manifest(reader, repository, reference));
  }
  manifestBytes(repository: string, reference: Reference): ManifestWithBytes | undefined {
    const name = 'tag' in reference ? `t ${reference.tag}` : `m ${reference.digest}`;
    const known = this.#cache?.get<ManifestRow | ManifestWithBytes>(repository, name);
    if (known !== undefined && 'bytes' in known) return known;
    const read = this.#keep(repository, name, (reader) => manifestReads.manifestBytes(reader, repository, reference));
    return read === undefined || read.bytes.byteLength <= LARGEST ? read : { ...read, exclusive: true };
  }
  blob(repository: string, digest: Digest): BlobRow | undefined {
    const name = `b ${digest}`;
    const known = this.#cache?.get<BlobRow>(repository, name);
    if (known !== undefined) return known;
    return this.#keep(repository, name, (reader) => blobReads.blob(reader, repository, digest));
  }
  repositoriesWithBlob(digest: Digest, limit: number) {
    return this.#read((reader) => blobReads.repositoriesWithBlob(reader, digest, limit));
  }
  repositoryExists(repository: string) {
    return this.#read((reader) => nameReads.repositoryExists(reader, repository));
  }
  tags(repository: string, page: Page) {
    return this.#read((reader) => nameReads.tags(reader, repository, page));
  }
  repositories(page: Page) {
    return this.#read((reader) => nameReads.repositories(reader, page));
  }
  referrers(repository: string, digest: Digest, page: Page & { artifactType?: string }) {
    return this.#read((reader) => manifestReads.referrers(reader, repository, digest, page));
  }
  upload(id: string) {
    return this.#read((reader) => progressReads.upload(reader, id));
  }
  staleUploads(before: Millis, limit: number) {
    return this.#read((reader) => progressReads.staleUploads(reader, before, limit));
  }
  changes(after: number, limit: number) {
    return this.#read((reader) => progressReads.changes(reader, after, limit));
  }
  statistics() {
    return this.#read((reader) => progressReads.statistics(reader));
  }
  blobs(page: { last?: Digest; limit: number }) {
    return this.#read((reader) => blobReads.blobs(reader, page));
  }
  manifests(page: { last?: { repository: string; digest: Digest }; limit: number }) {
    return this.#read((reader) => manifestReads.manifests(reader, page));
  }

  createUpload(row: UploadRow) {
    return this.#writer.execute('createUpload', row);
  }
  deleteUpload(id: string) {
    return this.#writer.execute('deleteUpload', { id });
  }
  async addBlob(blob: NewBlob) {
    const added = await this.#writing(blob.repository, this.#writer.execute('addBlob', blob));
    // Other repositories remember the key whose bytes are about to go.
    if (added.surplusKey !== undefined) this.#cache?.clear();
    return added;
  }
  mountBlob(mount: { repository: string; from: string; digest: Digest; now: Millis }) {
    return this.#writing(mount.repository, this.#writer.execute('mountBlob', mount));
  }
  async renewLease(digests: readonly Digest[], now: Millis) {
    const due = this.#read((reader) => blobReads.leasesToRenew(reader, digests, now));
    if (due.length > 0) await this.#writer.execute('renewLease', { digests: due, now });
  }
  deleteBlob(repository: string, digest: Digest, now: Millis) {
    return this.#writing(repository, this.#writer.execute('deleteBlob', { repository, digest, now }));
  }
  quarantineBlob(digest: Digest, key: string, why: string, now: Millis) {
    return this.#writing(undefined, this.#writer.execute('quarantineBlob', { digest, key, why, now }));
  }
  putManifest(manifest: NewManifest) {
    return this.#writing(manifest.repository, this.#writer.execute('putManifest', manifest));
  }
  deleteTag(repository: string, tag: string, by: Actor) {
    return this.#writing(repository, this.#writer.execute('deleteTag', { repository, tag, by }));
  }
  deleteManifest(repository: string, digest: Digest, by: Actor) {
    return this.#writing(repository, this.#writer.execute('deleteManifest', { repository, digest, by }));
  }
  async notePulls(pulls: readonly { repository: string; digest: Digest; hour: number }[]) {
    if (pulls.length > 0) await this.#writer.execute('notePulls', { pulls });
  }

  export() {
    return exportRows(this.#path);
  }
  import(rows: AsyncIterable<ExportedRow>) {
    return this.#writing(undefined, importInto(this.#writer, rows));
  }
  snapshots() {
    return this.#read(recoveryReads.snapshots);
  }
  addSnapshot(row: SnapshotRow) {
    return this.#writer.execute('addSnapshot', row);
  }
  dropSnapshot(name: string) {
    return this.#writer.execute('dropSnapshot', { name });
  }
  lastSequence() {
    return this.#read(recoveryReads.lastSequence);
  }

  /** Lets accepted writes finish. The writer goes last, because the last connection tidies the log up. */
  async close() {
    this.#reader.close();
    await this.#writer.close();
    this.#release();
  }

  /** Forgets what a write may have changed before anybody hears of it; also where it failed, which may mean half known. */
  async #writing<T>(repository: string | undefined, write: Promise<T>): Promise<T> {
    try {
      return await write;
    } finally {
      if (repository === undefined) this.#cache?.clear();
      else this.#cache?.forget(repository);
    }
  }

  #keep<T extends ManifestRow | BlobRow>(
    repository: string,
    name: string,
    query: (reader: Connection) => T | undefined,
  ): T | undefined {
    const row = this.#read(query);
    if (row !== undefined) this.#cache?.set(repository, name, row);
    return row;
  }

  #read<T>(query: (reader: Connection) => T): T {
    if (!this.#reader.db.isOpen) throw closed();
    try {
      return query(this.#reader);
    } catch (error) {
      throw storeError(error);
    }
  }
}
