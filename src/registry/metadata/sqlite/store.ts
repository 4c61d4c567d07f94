import type { Digest } from '../../../domain/oci/digest.ts';
import type { Actor, MetadataStore, Millis, NewBlob, NewManifest, Page, Reference, UploadRow } from '../store.ts';
import type { Connection } from './connection.ts';
import { closed, storeError } from './faults.ts';
import * as blobReads from './reads/blobs.ts';
import * as manifestReads from './reads/manifests.ts';
import * as nameReads from './reads/names.ts';
import * as progressReads from './reads/progress.ts';
import type { Writer } from './writer.ts';

/**
 * The embedded store. Reads run on the calling thread through one read-only connection (microseconds, and they see every
 * commit at once); writes go to the writer.
 */
export class SqliteStore implements MetadataStore {
  #reader: Connection;
  #writer: Writer;
  #release: () => void;

  constructor(parts: { reader: Connection; writer: Writer; release: () => void }) {
    this.#reader = parts.reader;
    this.#writer = parts.writer;
    this.#release = parts.release;
  }

  manifest(repository: string, reference: Reference) {
    return this.#read((reader) => manifestReads.manifest(reader, repository, reference));
  }
  manifestBytes(repository: string, reference: Reference) {
    return this.#read((reader) => manifestReads.manifestBytes(reader, repository, reference));
  }
  blob(repository: string, digest: Digest) {
    return this.#read((reader) => blobReads.blob(reader, repository, digest));
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
  addBlob(blob: NewBlob) {
    return this.#writer.execute('addBlob', blob);
  }
  mountBlob(mount: { repository: string; from: string; digest: Digest; now: Millis }) {
    return this.#writer.execute('mountBlob', mount);
  }
  async renewLease(digests: readonly Digest[], now: Millis) {
    const due = this.#read((reader) => blobReads.leasesToRenew(reader, digests, now));
    if (due.length > 0) await this.#writer.execute('renewLease', { digests: due, now });
  }
  deleteBlob(repository: string, digest: Digest, now: Millis) {
    return this.#writer.execute('deleteBlob', { repository, digest, now });
  }
  quarantineBlob(digest: Digest, key: string, why: string, now: Millis) {
    return this.#writer.execute('quarantineBlob', { digest, key, why, now });
  }
  putManifest(manifest: NewManifest) {
    return this.#writer.execute('putManifest', manifest);
  }
  deleteTag(repository: string, tag: string, by: Actor) {
    return this.#writer.execute('deleteTag', { repository, tag, by });
  }
  deleteManifest(repository: string, digest: Digest, by: Actor) {
    return this.#writer.execute('deleteManifest', { repository, digest, by });
  }
  async notePulls(pulls: readonly { repository: string; digest: Digest; hour: number }[]) {
    if (pulls.length > 0) await this.#writer.execute('notePulls', { pulls });
  }

  /** Lets accepted writes finish. Closing the writer before the reader would leave the log behind: the last one tidies up. */
  async close() {
    this.#reader.close();
    await this.#writer.close();
    this.#release();
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
