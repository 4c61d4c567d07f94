/** What happens between a plan and its batches counts: reports, changes of the policy, pulls. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Digest } from '../../../../src/domain/oci/digest.ts';
import { formatInventory } from '../../../../src/domain/retention/inventory.ts';
import { receiveReport } from '../../../../src/domain/retention/report.ts';
import { createMetrics } from '../../../../src/platform/metrics.ts';
import { openSqlite } from '../../../../src/registry/metadata/sqlite/open.ts';
import type { MetadataStore } from '../../../../src/registry/metadata/store.ts';
import { Clusters } from '../../../../src/registry/retention/clusters.ts';
import { Evaluator } from '../../../../src/registry/retention/evaluator.ts';
import { carryOut, type Execution, Superseded } from '../../../../src/registry/retention/expire.ts';
import { createRetentionMetrics } from '../../../../src/registry/retention/metrics.ts';
import { isRunnable, policyRule } from '../../../../src/registry/retention/policy-rule.ts';
import type { Places } from '../../../../src/registry/stores.ts';
import { imageType } from '../client.ts';

const directory = mkdtempSync(join(tmpdir(), 'ne-retention-race-'));
const places: Places = {
  storage: { filesystem: { path: directory } },
  metadata: { sqlite: {} },
  limits: { reserveBytes: 0 },
};
const { now } = Date;
let clusters: readonly string[] = ['here'];
const inUse = () => ({ clusters, staleSeconds: 900 });
let metadata: MetadataStore;
let evaluator: Evaluator;

before(async () => {
  metadata = await openSqlite({ directory, mode: 'serve', onDeath: (error) => assert.fail(error) });
  evaluator = await Evaluator.start(places);
});
after(async () => {
  await evaluator?.stop();
  await metadata?.close();
  rmSync(directory, { recursive: true, force: true });
});

async function push(repository: string, count: number): Promise<Digest[]> {
  const digests: Digest[] = [];
  for (let number = 0; number < count; number++) {
    const bytes = Buffer.from(JSON.stringify({ repository, number }));
    const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const image = { repository, digest, mediaType: imageType, bytes, edges: [], tags: [`v${number}`] };
    await metadata.putManifest({ ...image, by: { name: 'tester', now: 1_000_000 + number } });
    digests.push(digest);
  }
  return digests;
}

async function report(names: readonly string[]): Promise<void> {
  const images = names.map((image) => ({ image, digests: [], by: ['Pod a/b'] }));
  const inventory = { reportedAt: now(), images };
  assert.ok(formatInventory(inventory));
  const { reports } = await metadata.inventories();
  await metadata.putInventory(receiveReport(reports[0], { cluster: 'here', receivedAt: now(), inventory }));
}

/** Plans that all of a repository expires, and answers what carries it out. */
async function planned(repository: string, note: Execution['note']): Promise<Execution> {
  const selection = { tagStatus: 'any', countType: 'sinceImagePushed', countUnit: 'days', countNumber: 1 };
  const spec = {
    repositories: { include: [repository] },
    rules: [{ rulePriority: 1, selection, action: { type: 'expire' } }],
  };
  const name = repository.replace('/', '-');
  const row = { kind: 'retention' as const, name, uid: name, generation: 1, changedAt: now(), changedBy: 'tester' };
  await metadata.putRule({ ...row, document: JSON.stringify({ spec }) });
  const rule = policyRule({ ...row, document: JSON.stringify({ spec }) }, now());
  assert.ok(isRunnable(rule));
  const reporting = new Clusters({ metadata, settings: inUse, now });
  const log = { info: () => undefined, warn: () => undefined };
  const metrics = createRetentionMetrics(createMetrics(), { clusters: reporting, now });
  const records = () => assert.fail('no record is asked for here');
  const flushPulls = async () => undefined;
  const parts = { metadata, log, metrics, clusters: reporting, places, worker: 'w', inUse, records, flushPulls, now };
  const { revision, missing } = await evaluator.ask({ ask: 'load', inUse: { ...inUse(), now: now() } });
  assert.deepEqual(missing, []);
  await evaluator.ask({ ask: 'plan', repository, policy: rule.spec.policy, now: now() });
  const tally = { expired: 0, expiredBytes: 0 };
  return { parts, rule, evaluator, signal: AbortSignal.timeout(60_000), tally, note, revision, clusters };
}

const tags = async (repository: string) => new Set(await metadata.tags(repository, { limit: 10_000 }));

test('what a cluster begins to use while a plan is carried out stays, in this batch and in later ones', async () => {
  await report(['h.example/other:v1']);
  const digests = await push('race/used', 350);
  let batches = 0;
  let noted = 0;
  const execution = await planned('race/used', async (images) => {
    batches += images.length > 0 ? 1 : 0;
    noted += images.length;
    if (batches === 1) await report([`h.example/race/used@${digests[7]}`, 'h.example/race/used:v210']);
    if (batches === 3)
      await report([
        `h.example/race/used@${digests[7]}`,
        'h.example/race/used:v210',
        `h.example/race/used@${digests[345]}`,
      ]);
  });
  await carryOut(execution, 'race/used', false);
  assert.deepEqual(await tags('race/used'), new Set(['v210', 'v345', 'v7']));
  assert.equal(execution.tally.expired, 347);
  assert.ok(noted <= 350, 'nothing is told twice');
});

test('a policy that is changed or deleted meanwhile does nothing more', async () => {
  await push('race/deleted', 250);
  let batches = 0;
  const execution = await planned('race/deleted', async () => {
    batches += 1;
    if (batches === 2) await metadata.deleteRule('retention', 'race-deleted');
  });
  await assert.rejects(carryOut(execution, 'race/deleted', false), Superseded);
  assert.equal((await tags('race/deleted')).size, 150);
});

test('what was pulled since the plan stays', async () => {
  const [first] = await push('race/pulled', 3);
  assert.ok(first);
  const execution = await planned('race/pulled', async () => {
    await metadata.notePulls([{ repository: 'race/pulled', digest: first, hour: Math.floor(now() / 3_600_000) }]);
  });
  await carryOut(execution, 'race/pulled', false);
  assert.deepEqual(await tags('race/pulled'), new Set(['v0']));
});

test('of an approved plan nothing goes that is not in it, and nothing without an approval', async () => {
  const digests = await push('race/approved', 4);
  const execution = await planned('race/approved', async () => undefined);
  const approved = [
    { digest: digests[0] ?? '', tags: ['v0'] },
    { digest: digests[1] ?? '', tags: ['v1', 'another'] },
  ];
  await evaluator.ask({ ask: 'approved', images: approved });
  await carryOut(execution, 'race/approved', true);
  assert.deepEqual(await tags('race/approved'), new Set(['v1', 'v2', 'v3']));
  const none = await planned('race/approved', async () => undefined);
  await carryOut(none, 'race/approved', true);
  assert.equal((await tags('race/approved')).size, 3);
});

test('a cluster that is listed while a plan is carried out has to report before any more goes', async () => {
  await report(['h.example/other:v1']);
  await push('race/listed', 250);
  let batches = 0;
  const execution = await planned('race/listed', async () => {
    batches += 1;
    if (batches === 2) clusters = ['here', 'there'];
  });
  try {
    await carryOut(execution, 'race/listed', false);
  } finally {
    clusters = ['here'];
  }
  assert.equal(execution.tally.expired, 100);
  assert.equal(execution.revision, null);
});
