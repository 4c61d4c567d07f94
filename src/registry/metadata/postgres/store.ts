import type { Digest } from '../../../domain/oci/digest.ts';
import type { NewJob } from '../job-queue.ts';
import type { NewRemoval, TrimmedHistory } from '../reclaiming.ts';
import type { ExportedRow, SnapshotRow } from '../recovery.ts';
import type { CopyKey, CopyRow, ReplicatedDeletion } from '../replicating.ts';
import type { Expiry, InventoryRow, TrashNames, TrashPosition } from '../retaining.ts';
import type { RuleKind, RuleRow } from '../rules.ts';
import type {
  Actor,
  ChangeRow,
  MetadataStore,
  Millis,
  NewBlob,
  NewManifest,
  Page,
  Reference,
  UploadRow,
} from '../store.ts';
import { ContentCache } from './content-cache.ts';
import type { Database } from './database.ts';
import { PostgresJobs } from './jobs.ts';
import * as blobReads from './reads/blobs.ts';
import * as manifestReads from './reads/manifests.ts';
import * as nameReads from './reads/names.ts';
import * as progress from './reads/progress.ts';
import { PostgresReclaiming } from './reclaiming.ts';
import { PostgresRecovery } from './recovery.ts';
import { PostgresReplicating } from './replicating.ts';
import { PostgresRetaining } from './retaining.ts';
import { PostgresRules } from './rules.ts';
import * as blobWrites from './writes/blobs.ts';
import * as manifestWrites from './writes/manifests.ts';

/** After this many writes the counts that they noted are added up, so that reading them stays cheap. */
const WRITES_A_FOLD = 500;

/** The store for several replicas on one database. Nothing that can change is remembered here. */
export class PostgresStore implements MetadataStore {
  #database: Database;
  #manifests: manifestReads.ManifestLookups;
  #blobs: blobReads.BlobLookups;
  #reclaiming: PostgresReclaiming;
  #jobs: PostgresJobs;
  #recovery: PostgresRecovery;
  #retaining: PostgresRetaining;
  #rules: PostgresRules;
  #replicating: PostgresReplicating;
  #removalDelay: Millis;
  #readOnly: boolean;
  #unfolded = 0;

  /** `removalDelay`: for how long bytes stay after their last name is gone, milliseconds. */
  constructor(parts: { database: Database; removalDelay: Millis; readOnly: boolean }) {
    const { database } = parts;
    this.#database = database;
    this.#removalDelay = parts.removalDelay;
    this.#readOnly = parts.readOnly;
    this.#manifests = new manifestReads.ManifestLookups(database, new ContentCache());
    this.#blobs = new blobReads.BlobLookups(database);
    this.#reclaiming = new PostgresReclaiming(database, parts.removalDelay);
    this.#jobs = new PostgresJobs(database);
    this.#recovery = new PostgresRecovery(database, parts.readOnly);
    this.#retaining = new PostgresRetaining(database);
    this.#rules = new PostgresRules(database);
    this.#replicating = new PostgresReplicating(database);
  }

  manifest(repository: string, reference: Reference) {
    return this.#manifests.row(repository, reference);
  }
  manifestBytes(repository: string, reference: Reference) {
    return this.#manifests.withBytes(repository, reference);
  }
  blob(repository: string, digest: Digest) {
    return this.#blobs.visible(repository, digest);
  }
  repositoriesWithBlob(digest: Digest, limit: number) {
    return blobReads.repositoriesWithBlob(this.#database, digest, limit);
  }
  repositoryExists(repository: string) {
    return nameReads.repositoryExists(this.#database, repository);
  }
  tags(repository: string, page: Page) {
    return nameReads.tags(this.#database, repository, page);
  }
  repositories(page: Page) {
    return nameReads.repositories(this.#database, page);
  }
  referrers(repository: string, digest: Digest, page: Page & { artifactType?: string }) {
    return manifestReads.referrers(this.#database, { repository, digest }, page);
  }
  upload(id: string) {
    return progress.upload(this.#database, id);
  }
  staleUploads(before: Millis, limit: number) {
    return progress.staleUploads(this.#database, before, limit);
  }
  async changes(after: number, limit: number): Promise<ChangeRow[]> {
    if (!this.#readOnly) await progress.stampChanges(this.#database);
    return progress.changes(this.#database, after, limit);
  }
  statistics() {
    return progress.statistics(this.#database);
  }
  blobs(page: { last?: Digest; limit: number }) {
    return blobReads.blobs(this.#database, page);
  }
  manifests(page: { last?: { repository: string; digest: Digest }; limit: number }) {
    return manifestReads.manifests(this.#database, page);
  }

  createUpload(row: UploadRow) {
    return blobWrites.createUpload(this.#database, row);
  }
  deleteUpload(id: string) {
    return blobWrites.deleteUpload(this.#database, id);
  }
  holdUpload(hold: { id: string; holder: string; now: Millis; until: Millis }) {
    return blobWrites.holdUpload(this.#database, hold);
  }
  releaseUpload({ id, holder }: { id: string; holder: string }) {
    return blobWrites.releaseUpload(this.#database, id, holder);
  }
  addBlob(blob: NewBlob) {
    return this.#counted(blobWrites.addBlob(this.#database, blob, this.#removalDelay));
  }
  mountBlob(mount: { repository: string; from: string; digest: Digest; now: Millis }) {
    return this.#counted(blobWrites.mountBlob(this.#database, mount));
  }
  renewLease(digests: readonly Digest[], now: Millis) {
    return this.#blobs.lease(digests, now);
  }
  deleteBlob(repository: string, digest: Digest, now: Millis) {
    return this.#counted(blobWrites.deleteBlob(this.#database, { repository, digest, now }));
  }
  quarantineBlob(digest: Digest, key: string, why: string, _now: Millis) {
    return blobWrites.quarantineBlob(this.#database, { digest, key, why });
  }
  putManifest(manifest: NewManifest) {
    return this.#counted(manifestWrites.putManifest(this.#database, manifest));
  }
  deleteTag(repository: string, tag: string, by: Actor) {
    return this.#counted(manifestWrites.deleteTag(this.#database, repository, tag, by));
  }
  deleteManifest(repository: string, digest: Digest, by: Actor) {
    return this.#counted(manifestWrites.deleteManifest(this.#database, repository, digest, by));
  }
  notePulls(pulls: readonly { repository: string; digest: Digest; hour: number }[]) {
    return manifestWrites.notePulls(this.#database, pulls);
  }

  condemnBlobs(work: { before: Millis; now: Millis; limit: number }) {
    return this.#reclaiming.condemnBlobs(work);
  }
  dropCondemned(work: { condemnedBefore: Millis; before: Millis; now: Millis; limit: number }) {
    return this.#counted(this.#reclaiming.dropCondemned(work));
  }
  dueRemovals(now: Millis, limit: number) {
    return this.#reclaiming.dueRemovals(now, limit);
  }
  forgetRemovals(keys: readonly string[]) {
    return this.#reclaiming.forgetRemovals(keys);
  }
  unaccounted(keys: readonly { key: string; uploadId: string }[]) {
    return this.#reclaiming.unaccounted(keys);
  }
  accountsSince() {
    return this.#reclaiming.accountsSince();
  }
  addRemovals(removals: readonly NewRemoval[]) {
    return this.#reclaiming.addRemovals(removals);
  }
  quarantined(page: { last?: Digest; limit: number }) {
    return this.#reclaiming.quarantined(page);
  }
  releaseBlob(digest: Digest, key: string) {
    return this.#reclaiming.releaseBlob(digest, key);
  }
  trimHistory(work: TrimmedHistory) {
    return this.#reclaiming.trimHistory(work);
  }

  enqueueJob(job: NewJob) {
    return this.#jobs.enqueueJob(job);
  }
  claimJob(claim: { kinds: readonly string[]; worker: string; now: Millis; leaseUntil: Millis }) {
    return this.#jobs.claimJob(claim);
  }
  renewJob(held: { id: number; worker: string; leaseUntil: Millis; payload?: string }) {
    return this.#jobs.renewJob(held);
  }
  finishJob(held: { id: number; worker: string; again?: { runAt: Millis; payload: string; error?: string } }) {
    return this.#jobs.finishJob(held);
  }
  jobs(limit: number) {
    return this.#jobs.jobs(limit);
  }

  export(): AsyncIterable<ExportedRow> {
    return this.#recovery.export();
  }
  import(rows: AsyncIterable<ExportedRow>) {
    return this.#recovery.import(rows);
  }
  snapshots() {
    return this.#recovery.snapshots();
  }
  addSnapshot(row: SnapshotRow) {
    return this.#recovery.addSnapshot(row);
  }
  dropSnapshot(name: string) {
    return this.#recovery.dropSnapshot(name);
  }
  lastSequence() {
    return this.#recovery.lastSequence();
  }

  rule(kind: RuleKind, name: string) {
    return this.#rules.rule(kind, name);
  }
  rules(kind: RuleKind) {
    return this.#rules.rules(kind);
  }
  putRule(rule: Omit<RuleRow, 'state'>) {
    return this.#rules.putRule(rule);
  }
  deleteRule(kind: RuleKind, name: string, by?: Actor) {
    return this.#rules.deleteRule(kind, name, by);
  }
  putRuleState(state: { kind: RuleKind; name: string; uid: string; state: string }) {
    return this.#rules.putRuleState(state);
  }
  identity() {
    return this.#rules.identity();
  }

  deleteReplicatedTag(deletion: ReplicatedDeletion) {
    return this.#counted(this.#replicating.deleteReplicatedTag(deletion));
  }
  tagRecords(repository: string, page: { last?: string; limit: number }) {
    return this.#replicating.tagRecords(repository, page);
  }
  referrerPairs(repository: string, subjects: readonly Digest[], limit: number) {
    return this.#replicating.referrerPairs(repository, subjects, limit);
  }
  tagRecord(repository: string, tag: string) {
    return this.#replicating.tagRecord(repository, tag);
  }
  copies(rule: string, target: string, page: { last?: CopyKey; limit: number }) {
    return this.#replicating.copies(rule, target, page);
  }
  copiesOf(rule: string, target: string, keys: readonly CopyKey[]) {
    return this.#replicating.copiesOf(rule, target, keys);
  }
  putCopies(rule: string, target: string, rows: readonly CopyRow[], gone?: readonly CopyKey[]) {
    return this.#replicating.putCopies(rule, target, rows, gone);
  }
  dropCopies(rule: string, keepTargets?: readonly string[]) {
    return this.#replicating.dropCopies(rule, keepTargets);
  }

  images(repository: string) {
    return this.#retaining.images(repository);
  }
  imagesOf(repository: string, digests: readonly Digest[]) {
    return this.#retaining.imagesOf(repository, digests);
  }
  expire(batch: Expiry) {
    return this.#counted(this.#retaining.expire(batch));
  }
  trash(page: { repository?: string; last?: TrashPosition; limit: number }) {
    return this.#retaining.trash(page);
  }
  inTrash(names: TrashNames) {
    return this.#retaining.inTrash(names);
  }
  restore(what: { repository: string; digests: readonly Digest[]; by: Actor }) {
    return this.#counted(this.#retaining.restore(what));
  }
  emptyTrash(now: Millis, limit: number) {
    return this.#counted(this.#retaining.emptyTrash(now, limit));
  }
  putInventory(report: InventoryRow) {
    return this.#retaining.putInventory(report);
  }
  inventories() {
    return this.#retaining.inventories();
  }
  reporters() {
    return this.#retaining.reporters();
  }
  inventory(cluster: string) {
    return this.#retaining.inventory(cluster);
  }
  keepInventories(clusters: readonly string[]) {
    return this.#retaining.keepInventories(clusters);
  }

  /** Lets what was sent end, then closes every connection. */
  close() {
    return this.#database.close();
  }

  /** Adds the counts up now and then; whether that succeeds is no matter of the write that set it off. */
  async #counted<T>(write: Promise<T>): Promise<T> {
    const value = await write;
    this.#unfolded += 1;
    if (this.#unfolded >= WRITES_A_FOLD) {
      this.#unfolded = 0;
      progress.foldStatistics(this.#database).catch(() => undefined);
    }
    return value;
  }
}
