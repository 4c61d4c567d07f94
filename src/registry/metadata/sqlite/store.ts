import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../../../domain/oci/digest.ts';
import type { NewJob } from '../job-queue.ts';
import type { NewRemoval, Removal, TrimmedHistory } from '../reclaiming.ts';
import type { ExportedRow, SnapshotRow } from '../recovery.ts';
import type { CopyKey, CopyRow, ReplicatedDeletion } from '../replicating.ts';
import type { Expiry, InventoryRow, Retaining, TrashNames, TrashPosition } from '../retaining.ts';
import type { RuleKind, RuleRow } from '../rules.ts';
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
import { exportRows } from './export.ts';
import { closed, storeError } from './faults.ts';
import { importInto } from './import.ts';
import { LARGEST, ReadCache } from './read-cache.ts';
import * as blobReads from './reads/blobs.ts';
import { ImageReader, imagesOf } from './reads/images.ts';
import * as inventoryReads from './reads/inventories.ts';
import * as manifestReads from './reads/manifests.ts';
import * as nameReads from './reads/names.ts';
import * as progressReads from './reads/progress.ts';
import * as reclaimReads from './reads/reclaim.ts';
import * as recoveryReads from './reads/recovery.ts';
import * as replicationReads from './reads/replicating.ts';
import * as ruleReads from './reads/rules.ts';
import * as trashReads from './reads/trash.ts';
import type { Writer } from './writer.ts';

/** Removals that are looked at between two turns of the event loop: a millisecond or two. */
const PAGE = 500;
/** Rows that one transaction forgets, so that nobody else waits long for the writer. */
const COPIES_A_DROP = 1000;

export interface SqliteParts {
  readonly path: string;
  readonly reader: Connection;
  readonly writer: Writer;
  /** For how long bytes stay after their last name is gone, milliseconds. */
  readonly removalDelay: number;
  /** Every write comes through this store, so that rows may be remembered between reads. */
  readonly exclusive: boolean;
  release(): void;
}

/**
 * The embedded store. Reads run on the calling thread through one read-only connection (microseconds, and they see every
 * commit at once); writes go to the writer.
 */
export class SqliteStore implements MetadataStore, Retaining {
  #reader: Connection;
  #writer: Writer;
  #release: () => void;
  #path: string;
  #images: ImageReader;
  #removalDelay: number;
  #cache: ReadCache | undefined;

  constructor(parts: SqliteParts) {
    this.#removalDelay = parts.removalDelay;
    this.#path = parts.path;
    this.#images = new ImageReader(parts.path);
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
  async deleteUpload(id: string) {
    await this.#writer.execute('deleteUpload', { id });
  }
  holdUpload(hold: { id: string; holder: string; now: Millis; until: Millis }) {
    return this.#writer.execute('holdUpload', hold);
  }
  releaseUpload(hold: { id: string; holder: string }) {
    return this.#writer.execute('releaseUpload', hold);
  }
  async addBlob(blob: NewBlob) {
    const added = this.#writer.execute('addBlob', { ...blob, delay: this.#removalDelay });
    const outcome = await this.#writing(blob.repository, added);
    // Other repositories remember the key whose bytes are about to go.
    if (outcome === 'replaced') this.#cache?.forgetBlobs(new Set([blob.digest]));
    return outcome === 'replaced' ? 'named' : outcome;
  }
  mountBlob(mount: { repository: string; from: string; digest: Digest; now: Millis }) {
    return this.#writing(mount.repository, this.#writer.execute('mountBlob', mount));
  }
  async renewLease(digests: readonly Digest[], now: Millis) {
    const due = this.#read((reader) => blobReads.leasesToRenew(reader, digests, now));
    if (due === undefined) return false;
    return due.length === 0 || this.#writer.execute('renewLease', { digests: due, now });
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

  condemnBlobs(work: { before: Millis; now: Millis; limit: number }) {
    return this.#writer.execute('condemnBlobs', work);
  }
  async dropCondemned(work: { condemnedBefore: Millis; before: Millis; now: Millis; limit: number }) {
    const dropped = await this.#writer.execute('dropCondemned', { ...work, delay: this.#removalDelay });
    if (dropped.length > 0) this.#cache?.forgetBlobs(new Set(dropped.map(({ digest }) => digest)));
    return dropped;
  }
  /** In pages, with requests in between. */
  async dueRemovals(now: Millis, limit: number) {
    const due: Removal[] = [];
    for (let last: reclaimReads.RipeRemoval | undefined; ; await turn()) {
      const page = { now, limit: PAGE, ...(last && { last }) };
      const rows = this.#read((reader) => reclaimReads.ripeRemovals(reader, page));
      for (const { key, size, held } of rows) if (held === 0) due.push({ key, size });
      last = rows.at(-1);
      if (rows.length < PAGE || due.length >= limit) return due.slice(0, limit);
    }
  }
  async forgetRemovals(keys: readonly string[]) {
    if (keys.length > 0) await this.#writer.execute('forgetRemovals', { keys });
  }
  unaccounted(keys: readonly { key: string; uploadId: string }[]) {
    return this.#read((reader) => reclaimReads.unaccounted(reader, keys));
  }
  accountsSince() {
    return this.#read((reader) => reclaimReads.accountsSince(reader));
  }
  async addRemovals(removals: readonly NewRemoval[]) {
    if (removals.length > 0) await this.#writer.execute('addRemovals', { removals, delay: this.#removalDelay });
  }
  quarantined(page: { last?: Digest; limit: number }) {
    return this.#read((reader) => reclaimReads.quarantined(reader, page));
  }
  releaseBlob(digest: Digest, key: string) {
    return this.#writer.execute('releaseBlob', { digest, key });
  }
  trimHistory(work: TrimmedHistory) {
    return this.#writer.execute('trimHistory', work);
  }

  enqueueJob(job: NewJob) {
    return this.#writer.execute('enqueueJob', job);
  }
  async claimJob(claim: { kinds: readonly string[]; worker: string; now: Millis; leaseUntil: Millis }) {
    if (!this.#read((reader) => reclaimReads.hasDueJob(reader, claim.kinds, claim.now))) return undefined;
    return this.#writer.execute('claimJob', claim);
  }
  renewJob(held: { id: number; worker: string; leaseUntil: Millis; payload?: string }) {
    return this.#writer.execute('renewJob', held);
  }
  finishJob(held: { id: number; worker: string; again?: { runAt: Millis; payload: string; error?: string } }) {
    return this.#writer.execute('finishJob', held);
  }
  jobs(limit: number) {
    return this.#read((reader) => reclaimReads.jobs(reader, limit));
  }

  rule(kind: RuleKind, name: string) {
    return this.#read((reader) => ruleReads.rule(reader, kind, name));
  }
  rules(kind: RuleKind) {
    return this.#read((reader) => ruleReads.rules(reader, kind));
  }
  putRule(rule: Omit<RuleRow, 'state'>) {
    return this.#writer.execute('putRule', rule);
  }
  deleteRule(kind: RuleKind, name: string, by?: Actor) {
    return this.#writer.execute('deleteRule', { kind, name, by });
  }
  putRuleState(state: { kind: RuleKind; name: string; uid: string; state: string }) {
    return this.#writer.execute('putRuleState', state);
  }
  identity() {
    return this.#read(ruleReads.identity);
  }

  deleteReplicatedTag(deletion: ReplicatedDeletion) {
    return this.#writing(deletion.repository, this.#writer.execute('deleteReplicatedTag', deletion));
  }
  tagRecords(repository: string, page: { last?: string; limit: number }) {
    return this.#read((reader) => replicationReads.tagRecords(reader, repository, page));
  }
  referrerPairs(repository: string, subjects: readonly Digest[], limit: number) {
    return this.#read((reader) => replicationReads.referrerPairs(reader, repository, { subjects, limit }));
  }
  tagRecord(repository: string, tag: string) {
    return this.#read((reader) => replicationReads.tagRecord(reader, repository, tag));
  }
  copies(rule: string, target: string, page: { last?: CopyKey; limit: number }) {
    return this.#read((reader) => replicationReads.copies(reader, { rule, target }, page));
  }
  copiesOf(rule: string, target: string, keys: readonly CopyKey[]) {
    return this.#read((reader) => replicationReads.copiesOf(reader, { rule, target }, keys));
  }
  async putCopies(rule: string, target: string, rows: readonly CopyRow[], gone: readonly CopyKey[] = []) {
    if (rows.length + gone.length > 0) await this.#writer.execute('putCopies', { rule, target, rows, gone });
  }
  async dropCopies(rule: string, keep: readonly string[] = []) {
    while (await this.#writer.execute('dropCopies', { rule, keep, limit: COPIES_A_DROP }));
  }

  images(repository: string) {
    return this.#images.images(repository);
  }
  imagesOf(repository: string, digests: readonly Digest[]) {
    return this.#read((reader) => imagesOf(reader, repository, digests));
  }
  expire(batch: Expiry) {
    return this.#writing(batch.repository, this.#writer.execute('expireImages', batch));
  }
  trash(page: { repository?: string; last?: TrashPosition; limit: number }) {
    return this.#read((reader) => trashReads.trash(reader, page));
  }
  inTrash(names: TrashNames) {
    return this.#read((reader) => trashReads.inTrash(reader, names));
  }
  restore(what: { repository: string; digests: readonly Digest[]; by: Actor }) {
    return this.#writing(what.repository, this.#writer.execute('restoreImages', what));
  }
  emptyTrash(now: Millis, limit: number) {
    return this.#writer.execute('emptyTrash', { now, limit });
  }
  putInventory(report: InventoryRow) {
    return this.#writer.execute('putInventory', report);
  }
  inventory(cluster: string) {
    return this.#read((reader) => inventoryReads.inventory(reader, cluster));
  }
  reporters() {
    return this.#read(inventoryReads.reporters);
  }
  inventories() {
    return this.#read(inventoryReads.inventories);
  }
  keepInventories(clusters: readonly string[]) {
    return this.#writer.execute('keepInventories', { clusters });
  }

  /** Lets accepted writes finish. The writer goes last, because the last connection tidies the log up. */
  async close() {
    this.#images.close();
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
