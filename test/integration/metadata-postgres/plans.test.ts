/** Every read and write is a look-up or a range of an index, inside the functions too: the server itself says how it went about each. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPostgres } from '../../../src/registry/metadata/postgres/open.ts';
import type { MetadataStore } from '../../../src/registry/metadata/store.ts';
import { addBlob, by, digest, layer, manifest } from '../../contract/fixtures.ts';
import { startPostgres } from '../../programs/postgres.ts';

const EXPLAIN = [
  'session_preload_libraries=auto_explain',
  'auto_explain.log_min_duration=0',
  'auto_explain.log_nested_statements=on',
  'log_line_prefix=@@',
  // What it counted in the middle of the test would change plans.
  'autovacuum=off',
];

/** Read whole on purpose: what nobody has folded, stamped or done yet, and what people list. */
const SMALL = [
  'statistics',
  'statistics_deltas',
  'pending_changes',
  'feed',
  'accounting',
  'jobs',
  'snapshots',
  'in_use',
  'inventories',
];

async function readAll(store: MetadataStore): Promise<void> {
  const [repository, some] = ['r', digest(1)];
  for (const reference of [{ tag: 't' }, { digest: some }]) {
    await store.manifest(repository, reference);
    await store.manifestBytes(repository, reference);
  }
  for (const more of [{}, { artifactType: 'x' }])
    await store.referrers(repository, some, { last: digest(0), limit: 1, ...more });
  await store.manifests({ last: { repository: '0', digest: some }, limit: 1000 });
  await store.repositoryExists(repository);
  await store.tags(repository, { limit: 1 });
  await store.repositories({ limit: 1 });
  await store.blob(repository, some);
  await store.blobs({ limit: 1 });
  await store.repositoriesWithBlob(some, 1);
  await store.upload('u');
  await store.staleUploads(1, 1);
  await store.changes(0, 1);
  await store.statistics();
  await store.dueRemovals(1, 1);
  await store.unaccounted([{ key: 'k', uploadId: 'u' }]);
  await store.quarantined({ limit: 1 });
  await store.rule('retention', 'n');
  await store.rules('retention');
  await store.identity();
  await store.referrerPairs(repository, [some], 1);
  await store.tagRecords(repository, { last: 'a', limit: 1 });
  await store.tagRecord(repository, 't');
  await store.copies('n', 'x', { last: { repository, tag: 't' }, limit: 1 });
  await store.copiesOf('n', 'x', [{ repository, tag: 't' }]);
}

async function replicateAll(store: MetadataStore): Promise<void> {
  const [repository, target] = ['r', digest(2)];
  const put = manifest({ repository, digest: target, tags: ['t'], by: by(1) });
  for (const version of [9, 10]) await store.putManifest({ ...put, replicated: { version, origin: 'other' } });
  const bury = { repository, tag: 't', digest: target, by: by(1) };
  for (const version of [11, 12])
    await store.deleteReplicatedTag({ ...bury, replicated: { version, origin: 'other' } });
  const row = { repository, tag: 't', digest: target, copiedAt: 1 };
  await store.putCopies('n', 'x', [row], [row]);
  await store.dropCopies('n');
  const rule = {
    kind: 'replication',
    name: 'n',
    uid: 'u',
    generation: 1,
    document: '',
    changedAt: 1,
    changedBy: '',
  } as const;
  await store.putRule(rule);
  await store.putRule({ ...rule, uid: 'v' });
  await store.putRuleState({ ...rule, uid: 'v', state: '' });
  await store.deleteRule('replication', 'n');
  await store.changes(0, 1000);
  await store.trimHistory({ before: 99, upTo: 1000, limit: 9 });
}

async function retainAll(store: MetadataStore): Promise<void> {
  const [repository, index, image, part] = ['x', digest(0xa1), digest(0xa2), digest(0xa3)];
  const edges = [layer(part, false), { kind: 'child' as const, digest: image, required: false }];
  await store.putManifest(manifest({ repository, digest: image, tags: ['a', 'b'], contentSize: 1 }));
  await store.putManifest(manifest({ repository, digest: index, edges, subject: image }));
  const report = { cluster: 'c', reportedAt: 1, receivedAt: 1, document: '{}', names: ['n'] };
  const { revision: inUseRevision } = await store.putInventory(report);
  const images = await store.imagesOf(repository, [index, image]);
  for await (const batch of store.images(repository)) assert.equal(batch.length, 2);
  const batch = { repository, images, by: by(1), policy: 'p', until: 2, inUseRevision };
  assert.equal((await store.expire(batch)).outcome, 'done');
  const last = { expiredAt: 1, repository: '', digest: image };
  assert.equal((await store.trash({ last, limit: 9 })).length, 9);
  await store.trash({ repository, last, limit: 9 });
  await store.inTrash({ digests: [image], tags: [{ repository, tag: 'a' }] });
  assert.equal((await store.restore({ repository, digests: [index, image], by: by(3) })).length, 2);
  await store.expire(batch);
  await store.putManifest(manifest({ repository, digest: image }));
  assert.equal(await store.emptyTrash(2, 9), 1);
  await store.inventories();
  await store.reporters();
  await store.inventory('d');
  await store.keepInventories(['d']);
}

async function writeAll(store: MetadataStore): Promise<void> {
  const [repository, blob, some] = ['r', digest(1), digest(2)];
  await addBlob(store, repository, blob);
  const key = await addBlob(store, repository, blob);
  await store.renewLease([blob], 1e9);
  await store.quarantineBlob(blob, key, 'test', 1);
  await store.releaseBlob(blob, key);
  await store.mountBlob({ repository: 's', from: repository, digest: blob, now: 1 });
  const subject = digest(7);
  const put = manifest({ repository, digest: some, edges: [layer(blob)], tags: ['t', 'v'], subject });
  await store.putManifest({ ...put, conditions: { createOnly: true } });
  await store.putManifest({ ...put, mediaType: 'other' });
  await store.mountBlob({ repository: 's', from: repository, digest: blob, now: 1 });
  await store.notePulls([{ repository, digest: some, hour: 1 }]);
  await store.deleteBlob(repository, blob, 1);
  await store.deleteTag(repository, 't', by(1));
  await store.deleteManifest(repository, some, by(1));
  await store.deleteBlob(repository, blob, 1);
  await store.condemnBlobs({ before: 2e9, now: 3, limit: 9 });
  await store.dropCondemned({ condemnedBefore: 3, before: 2e9, now: 4, limit: 9 });
  await store.addRemovals([{ key: 'x', size: 1, createdAt: 1, now: 1 }]);
  await store.forgetRemovals(['x']);
  await store.changes(0, 100);
  await store.trimHistory({ before: 99, upTo: 3, limit: 2 });
  const id = randomUUID();
  await store.createUpload({ id, repository, owner: 'o', startedAt: 1 });
  await store.holdUpload({ id, holder: 'h', now: 1, until: 2 });
  await store.deleteUpload(id);
  await store.enqueueJob({ kind: 'k', key: 'k', payload: '{}', runAt: 1, now: 1 });
  const job = await store.claimJob({ kinds: ['k'], worker: 'w', now: 2, leaseUntil: 3 });
  await store.renewJob({ id: job?.id ?? 0, worker: 'w', leaseUntil: 4 });
  await store.finishJob({ id: job?.id ?? 0, worker: 'w' });
}

interface Plan {
  readonly statement: string;
  readonly steps: readonly string[];
}

function plansOf(log: string): Plan[] {
  return log.split('@@').flatMap((entry) => {
    const match = /plan:\s+Query Text: ([\s\S]*?)\n((?:[^\n]*\(cost=)[\s\S]*)$/.exec(entry);
    return match === null ? [] : [{ statement: match[1] ?? '', steps: (match[2] ?? '').split('\n') }];
  });
}

/** Steps that read a whole table, a whole index, or sort rows of one. */
function slowSteps({ steps }: Plan, leading: ReadonlyMap<string, string>): string[] {
  return steps.filter((step, at) => {
    const relation = /Scan(?: Backward)?(?: using \S+)? on "?(\w+)/.exec(step)?.[1];
    if (relation === undefined)
      return /^\s*(->)?\s*(Sort|HashAggregate|Hash Join|Merge Join) {2}\(/.test(step) && isLarge(steps, at);
    if (SMALL.includes(relation) || /(Function|Subquery|CTE|Values|WorkTable) Scan/.test(step)) return false;
    // A condition that leaves the first column of the index open walks all of it.
    const first = leading.get(/using (\w+)/.exec(step)?.[1] ?? '') ?? 'no index';
    return !new RegExp(`Index Cond: .*\\b${first}\\b`).test(steps[at + 1] ?? '');
  });
}

/** Sorting what the caller sent, or at most as many rows as he asked for, is no matter; sorting what a table holds is. */
function isLarge(steps: readonly string[], at: number): boolean {
  const depth = (step: string) => /^\s*/.exec(step)?.[0].length ?? 0;
  const below = steps.slice(at + 1).filter((step) => depth(step) > depth(steps[at] ?? ''));
  return !below.some((step) => /Function Scan|CTE Scan|Limit|= ANY \(|statistics_deltas/.test(step));
}

/** Enough rows that a plan that is not through the right index would show. */
const FILL = `
  INSERT INTO repositories (name, listed) SELECT 'bulk/' || n, true FROM generate_series(1, 50) AS n;
  INSERT INTO manifests (repository_id, digest, media_type, size, subject, artifact_type, pushed_at, pushed_by)
    SELECT r.id, 'sha256:' || md5(n::text), 'm', 1, 'sha256:' || md5((n / 100)::text), 't' || (n % 3), n, 'x' FROM repositories r, generate_series(1, 400) AS n;
  INSERT INTO manifest_bytes SELECT id, 'x' FROM manifests;
  INSERT INTO tags SELECT repository_id, 'v' || id, id, 1, NULL, 'x', 1 FROM manifests;
  INSERT INTO tag_tombstones SELECT repository_id, 'd' || id, digest, 1, NULL, 'x', id FROM manifests;
  INSERT INTO blobs (digest, size, key, leased_at, created_at) SELECT 'sha256:' || md5(n::text), 1, 'key' || n, n, n FROM generate_series(1, 20000) AS n;
  INSERT INTO repository_blobs SELECT id, 'bulk/' || id % 50 FROM blobs;
  INSERT INTO review_queue SELECT id, id, 1, nullif(id % 2, 0) FROM blobs WHERE id > 10000;
  INSERT INTO edges SELECT id, 'layer', 'sha256:' || md5((id % 5000)::text), repository_id FROM manifests;
  INSERT INTO changes SELECT n, n, 'tag-set', 'bulk/1', NULL, 'x', 'x', NULL FROM generate_series(1, 20000) AS n;
  UPDATE feed SET sequence = 20000;
  INSERT INTO removals SELECT 'gone' || n, 1, n, n, n FROM generate_series(1, 5000) AS n;
  INSERT INTO uploads SELECT 'u' || n, 'bulk/1', 'x', n FROM generate_series(1, 5000) AS n;
  INSERT INTO trash (repository, digest, media_type, size, subject, pushed_at, pushed_by, content_size, expired_at, until, policy)
    SELECT 'bulk/' || n % 9, 'sha256:' || md5(n::text), 'm', 1, 'sha256:' || md5((n / 100)::text), n, 'x', 1, n, n + 1000, 'p' FROM generate_series(1, 5000) AS n;
  INSERT INTO trash_bytes SELECT id, 'x' FROM trash;
  INSERT INTO trash_edges SELECT id, 'config', 'sha256:' || md5((id % 900)::text), repository FROM trash;
  INSERT INTO trash_tags SELECT id, 'v' || id, repository FROM trash;
  INSERT INTO rules SELECT 'retention', 'n' || n, 1, '{}', 1, 'x', 'u' FROM generate_series(1, 5000) AS n;
  INSERT INTO copies SELECT 'n', 'x' || n % 3, 'bulk/1', 't' || n, 'd', NULL, 1 FROM generate_series(1, 5000) AS n;
  ANALYZE`;

test('no statement scans a table or sorts one', async () => {
  const server = await startPostgres({ fsync: false, settings: EXPLAIN });
  try {
    const { secretDirectory, name } = await server.database();
    const store = await openPostgres({ secretDirectory, tls: 'Disable', mode: 'serve', removalDelay: 0 });
    await server.query(`SET search_path = ne_registry; ${FILL}`, name);
    const filled = (await readFile(join(server.folder, 'log'))).length;
    await writeAll(store);
    await replicateAll(store);
    await retainAll(store);
    await readAll(store);
    await store.close();
    const plans = plansOf((await readFile(join(server.folder, 'log'))).subarray(filled).toString()).filter(
      ({ statement, steps }) => !/pg_catalog|pg_namespace|pg_proc|schema_version/.test(`${statement}${steps.join()}`),
    );
    const statements = new Set(plans.map(({ statement }) => statement));
    assert.ok(statements.size > 80, `${statements.size} statements`);
    const indexes = `SELECT indexname AS name, indexdef AS text FROM pg_indexes WHERE schemaname = 'ne_registry'`;
    const rows = await server.query<{ name: string; text: string }>(indexes, name);
    const leading = new Map(rows.map(({ name, text }) => [name, /\((\w+)/.exec(text)?.[1] ?? '']));
    const slow = plans.filter((plan) => slowSteps(plan, leading).length > 0);
    // One that is slow may have been run for each row.
    const different = new Map(slow.map((plan) => [plan.statement, `${plan.statement}\n${plan.steps.join('\n')}`]));
    assert.deepEqual([...different.values()], []);
  } finally {
    await server.remove();
  }
});
