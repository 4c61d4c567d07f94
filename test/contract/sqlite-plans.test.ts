/** Every read and write is a look-up or a range of an index: no scan, no sort, whatever the size and the depth. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection, openForWriting } from '../../src/registry/metadata/sqlite/connection.ts';
import { migrate } from '../../src/registry/metadata/sqlite/migrations.ts';
import { databasePath } from '../../src/registry/metadata/sqlite/open.ts';
import * as blobs from '../../src/registry/metadata/sqlite/reads/blobs.ts';
import * as images from '../../src/registry/metadata/sqlite/reads/images.ts';
import * as inventories from '../../src/registry/metadata/sqlite/reads/inventories.ts';
import * as manifests from '../../src/registry/metadata/sqlite/reads/manifests.ts';
import * as names from '../../src/registry/metadata/sqlite/reads/names.ts';
import * as progress from '../../src/registry/metadata/sqlite/reads/progress.ts';
import * as reclaim from '../../src/registry/metadata/sqlite/reads/reclaim.ts';
import * as replicating from '../../src/registry/metadata/sqlite/reads/replicating.ts';
import * as rules from '../../src/registry/metadata/sqlite/reads/rules.ts';
import * as trash from '../../src/registry/metadata/sqlite/reads/trash.ts';
import { operations } from '../../src/registry/metadata/sqlite/writes/operations.ts';
import { by, digest, layer, manifest, temporaryFolder } from './fixtures.ts';

/** Remembers every statement that it ran. */
class Recorder extends Connection {
  readonly statements = new Set<string>();

  override get<T>(sql: string, ...values: Parameters<Connection['get']> extends [string, ...infer V] ? V : never) {
    this.statements.add(sql);
    return super.get<T>(sql, ...values);
  }
  override all<T>(sql: string, ...values: Parameters<Connection['all']> extends [string, ...infer V] ? V : never) {
    this.statements.add(sql);
    return super.all<T>(sql, ...values);
  }
  override arrays<T extends readonly unknown[]>(
    sql: string,
    ...values: Parameters<Connection['get']> extends [string, ...infer V] ? V : never
  ) {
    this.statements.add(sql);
    return super.arrays<T>(sql, ...values);
  }
  override run(sql: string, ...values: Parameters<Connection['run']> extends [string, ...infer V] ? V : never) {
    this.statements.add(sql);
    return super.run(sql, ...values);
  }
}

function readAll(connection: Connection): void {
  const [repository, some] = ['r', digest(1)];
  for (const reference of [{ tag: 't' }, { digest: some }]) {
    manifests.manifest(connection, repository, reference);
    manifests.manifestBytes(connection, repository, reference);
  }
  for (const more of [{}, { artifactType: 'x' }])
    manifests.referrers(connection, repository, some, { limit: 1, ...more });
  manifests.manifests(connection, { last: { repository, digest: some }, limit: 1000 });
  names.repositoryExists(connection, repository);
  names.tags(connection, repository, { limit: 1 });
  names.repositories(connection, { limit: 1 });
  blobs.blob(connection, repository, some);
  blobs.blobs(connection, { limit: 1 });
  blobs.repositoriesWithBlob(connection, some, 1);
  blobs.leasesToRenew(connection, [some], 1);
  progress.upload(connection, 'u');
  progress.staleUploads(connection, 1, 1);
  progress.changes(connection, 0, 1);
  progress.statistics(connection);
  reclaim.ripeRemovals(connection, { now: 1, limit: 1 });
  reclaim.unaccounted(connection, [{ key: 'k', uploadId: 'u' }]);
  reclaim.accountsSince(connection);
  reclaim.quarantined(connection, { limit: 1 });
  reclaim.hasDueJob(connection, ['a', 'b'], 1);
  reclaim.jobs(connection, 1);
  rules.rule(connection, 'retention', 'n');
  rules.rules(connection, 'retention');
  rules.identity(connection);
  replicating.referrerPairs(connection, repository, { subjects: [some], limit: 1 });
  replicating.tagRecords(connection, repository, { last: 'a', limit: 1 });
  replicating.tagRecord(connection, repository, 't');
  const route = { rule: 'n', target: 'x' };
  replicating.copies(connection, route, { last: { repository, tag: 't' }, limit: 1 });
  replicating.copiesOf(connection, route, [{ repository, tag: 't' }]);
}

function replicateAll(connection: Connection): void {
  const [repository, target] = ['r', digest(2)];
  const replicated = { version: 9, origin: 'other' };
  const put = manifest({ repository, digest: target, tags: ['t'], by: by(1) });
  operations.putManifest(connection, { ...put, replicated });
  operations.putManifest(connection, { ...put, replicated: { version: 10, origin: 'other' } });
  const bury = { repository, tag: 't', digest: target, by: by(1) };
  operations.deleteReplicatedTag(connection, { ...bury, replicated: { version: 11, origin: 'other' } });
  operations.deleteReplicatedTag(connection, { ...bury, replicated: { version: 12, origin: 'other' } });
  const row = { repository, tag: 't', digest: target, copiedAt: 1 };
  operations.putCopies(connection, { rule: 'n', target: 'x', rows: [row], gone: [row] });
  operations.dropCopies(connection, { rule: 'n', keep: [], limit: 1 });
  const rule = {
    kind: 'replication',
    name: 'n',
    uid: 'u',
    generation: 1,
    document: '',
    changedAt: 1,
    changedBy: '',
  } as const;
  operations.putRule(connection, rule);
  operations.putRule(connection, { ...rule, uid: 'v' });
  operations.putRuleState(connection, { ...rule, state: '' });
  operations.deleteRule(connection, rule);
  operations.trimHistory(connection, { before: 2, upTo: 99, limit: 9 });
}

function retainAll(connection: Connection): void {
  const [repository, index, image, part] = ['x', digest(0xa1), digest(0xa2), digest(0xa3)];
  const edges = [layer(part, false), { kind: 'child' as const, digest: image, required: false }];
  operations.putManifest(connection, manifest({ repository, digest: image, tags: ['a', 'b'], contentSize: 1 }));
  operations.putManifest(connection, manifest({ repository, digest: index, edges, subject: image }));
  const report = { cluster: 'c', reportedAt: 1, receivedAt: 1, document: '{}', names: ['n'] };
  const { revision } = operations.putInventory(connection, report);
  const seen = images.imagesOf(connection, repository, [index, image]);
  images.imagePage(connection, 1, 0);
  const batch = { repository, images: seen, by: by(1), policy: 'p', until: 2, inUseRevision: revision };
  assert.equal(operations.expireImages(connection, batch).outcome, 'done');
  const last = { expiredAt: 1, repository: '', digest: image };
  assert.equal(trash.trash(connection, { last, limit: 9 }).length, 2);
  trash.trash(connection, { repository, last, limit: 9 });
  trash.inTrash(connection, { digests: [image], tags: [{ repository, tag: 'a' }] });
  assert.equal(operations.restoreImages(connection, { repository, digests: [index, image], by: by(3) }).length, 2);
  operations.expireImages(connection, batch);
  operations.putManifest(connection, manifest({ repository, digest: image }));
  assert.equal(operations.emptyTrash(connection, { now: 2, limit: 9 }), 1);
  inventories.inventories(connection);
  inventories.reporters(connection);
  inventories.inventory(connection, 'd');
  operations.keepInventories(connection, { clusters: ['d'] });
}

function reclaimAll(connection: Connection): void {
  const [before, now, limit, delay] = [1, 2, 3, 4];
  operations.condemnBlobs(connection, { before, now, limit });
  operations.dropCondemned(connection, { condemnedBefore: now, before, now, limit, delay });
  operations.addRemovals(connection, { removals: [{ key: 'x', size: 1, createdAt: 0, now }], delay });
  operations.forgetRemovals(connection, { keys: ['x'] });
  operations.releaseBlob(connection, { digest: digest(1), key: 'k' });
  operations.trimHistory(connection, { before, upTo: 1, limit });
  operations.enqueueJob(connection, { kind: 'a', key: 'k', payload: '{}', runAt: 1, now });
  const job = operations.claimJob(connection, { kinds: ['a'], worker: 'w', now, leaseUntil: 9 });
  const held = { id: job?.id ?? -1, worker: 'w' };
  operations.renewJob(connection, { ...held, leaseUntil: 10 });
  operations.finishJob(connection, { ...held, again: { runAt: 1, payload: '{}' } });
  operations.finishJob(connection, held);
}

function writeAll(connection: Connection): void {
  const [repository, blob, some] = ['r', digest(1), digest(2)];
  const added = { repository, digest: blob, size: 1, key: 'k', uploadId: 'u', now: 1, delay: 0 };
  operations.createUpload(connection, { id: 'u', repository, owner: 'o', startedAt: 1 });
  operations.addBlob(connection, added);
  operations.renewLease(connection, { digests: [blob], now: 1e9 });
  operations.quarantineBlob(connection, { digest: blob, key: 'k', why: 'test', now: 1 });
  operations.createUpload(connection, { id: 'v', repository, owner: 'o', startedAt: 1 });
  operations.holdUpload(connection, { id: 'v', holder: 'h', now: 1, until: 2 });
  operations.releaseUpload(connection, { id: 'v', holder: 'h' });
  operations.addBlob(connection, { ...added, key: 'k2', uploadId: 'v' });
  operations.mountBlob(connection, { repository: 's', from: repository, digest: blob, now: 1 });
  const put = manifest({ repository, digest: some, edges: [layer(blob)], tags: ['t', 'v'] });
  operations.putManifest(connection, put);
  operations.putManifest(connection, { ...put, mediaType: 'other' });
  operations.notePulls(connection, { pulls: [{ repository, digest: some, hour: 1 }] });
  operations.deleteBlob(connection, { repository, digest: blob, now: 1 });
  operations.deleteTag(connection, { repository, tag: 't', by: by(1) });
  operations.deleteManifest(connection, { repository, digest: some, by: by(1) });
  operations.deleteBlob(connection, { repository, digest: blob, now: 1 });
  operations.deleteUpload(connection, { id: 'u' });
}

test('no statement scans a table or sorts', async () => {
  const folder = await temporaryFolder();
  const plain = openForWriting(databasePath(folder.path));
  migrate(plain);
  const recorder = new Recorder(plain.db);
  writeAll(recorder);
  reclaimAll(recorder);
  replicateAll(recorder);
  readAll(recorder);
  retainAll(recorder);
  assert.ok(recorder.statements.size > 40, `${recorder.statements.size} statements`);
  for (const sql of recorder.statements) {
    const plan = plain.db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => String(detail));
    const slow = plan.filter(
      (step) =>
        /SCAN|TEMP B-TREE/.test(step) &&
        !/^SCAN (statistics|accounting|inventories|CONSTANT ROW|json_each|\(subquery-\d\))/.test(step),
    );
    assert.deepEqual(slow, [], `${sql}\n${plan.join('\n')}`);
  }
  plain.close();
  await folder.remove();
});
