/** The database is lost: one command brings back every tag that was acknowledged more than five seconds before. */
import assert from 'node:assert/strict';
import { globSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RegistryBootstrapInput } from '../../../src/api/bootstrap/v1alpha1.ts';
import type { RestoreReport } from '../../../src/registry/recovery/restore/report.ts';
import { digestOf } from '../registry/client.ts';
import { until } from '../registry/space/until.ts';
import { admin, createSite, journaled, type Running, type Site, serve } from './registry.ts';

const sites: Site[] = [];
after(() => {
  for (const site of sites) site.discard();
});

async function site(more?: (target: string) => Partial<RegistryBootstrapInput>): Promise<Site> {
  const made = await createSite(more);
  sites.push(made);
  return made;
}

interface Expected {
  tags: Map<string, { digest: string; layer: string }>;
  gone: string[];
}

/** Pushes, moves and deletes tags; what is left, and what is not. */
async function work(registry: Running): Promise<Expected> {
  const tags: Expected['tags'] = new Map();
  for (let n = 0; n < 20; n++)
    tags.set(`team-${n % 3}/app:v${n}`, await registry.pushImage(`team-${n % 3}/app`, `v${n}`));
  tags.set('team-0/app:v0', await registry.pushImage('team-0/app', 'v0'));
  const gone = ['team-1/app:v1', 'team-2/app:v2'];
  assert.equal((await registry.request('DELETE', '/v2/team-1/app/manifests/v1')).status, 202);
  const digest = tags.get('team-2/app:v2')?.digest;
  assert.equal((await registry.request('DELETE', `/v2/team-2/app/manifests/${digest}`)).status, 202);
  for (const name of gone) tags.delete(name);
  return { tags, gone };
}

async function assertAll(registry: Running, { tags, gone }: Expected): Promise<void> {
  for (const [name, { digest, layer }] of tags) {
    const [repository, tag] = name.split(':');
    const manifest = await registry.request('GET', `/v2/${repository}/manifests/${tag}`);
    assert.deepEqual([manifest.status, digestOf(manifest.body)], [200, digest], name);
    const blob = await registry.request('GET', `/v2/${repository}/blobs/${layer}`);
    assert.deepEqual([blob.status, digestOf(blob.body)], [200, layer], name);
  }
  for (const name of gone) {
    const [repository, tag] = name.split(':');
    assert.equal((await registry.request('GET', `/v2/${repository}/manifests/${tag}`)).status, 404, name);
  }
}

function loseDatabase({ data }: Site): void {
  for (const file of globSync('metadata.db*', { cwd: data })) rmSync(join(data, file));
}

async function restored({ config }: Site, ...more: string[]): Promise<RestoreReport> {
  const done = await admin('restore', '--config', config, '--output', 'json', ...more);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  return JSON.parse(done.stdout) as RestoreReport;
}

test('a lost database comes back from the journal alone, again and again', { timeout: 600_000 }, async () => {
  const place = await site();
  let registry = await serve(place);
  const expected = await work(registry);
  // The promise itself.
  await sleep(5000);
  await registry.kill();
  loseDatabase(place);
  await assert.rejects(serve(place), /Run `ne-registry admin restore`/);
  const report = await restored(place);
  assert.equal(report.restored.tags, expected.tags.size);
  assert.equal(report.base, undefined);

  registry = await serve(place);
  await assertAll(registry, expected);
  expected.tags.set('later/app:1', await registry.pushImage('later/app', '1'));
  await journaled(registry, place, 2);
  await registry.kill();
  loseDatabase(place);
  assert.match((await restored(place)).base?.name ?? '', /^000002\/checkpoint-/);
  registry = await serve(place);
  await assertAll(registry, expected);
  assert.equal(await registry.stop(), 0);
});

test('and from the newest snapshot in the second place with the journal after it', { timeout: 600_000 }, async () => {
  const place = await site((path) => ({ backup: { target: { filesystem: { path } }, schedule: '@yearly', keep: 2 } }));
  let registry = await serve(place);
  const expected = await work(registry);
  const status = async () => (await registry.request('GET', '/admin/v1/status')).json() as { lastBackup?: string };
  await until('a snapshot was taken', async () => (await status()).lastBackup !== undefined);
  const made = await admin('backup', '--config', place.config, '--output', 'json');
  assert.equal(made.code, 0, made.stderr);
  const { snapshot, sequence } = JSON.parse(made.stdout) as { snapshot: string; sequence: number };
  expected.tags.set('later/app:1', await registry.pushImage('later/app', '1'));
  await journaled(registry, place);
  await registry.kill();
  loseDatabase(place);
  const report = await restored(place);
  assert.deepEqual([report.base?.name, report.base?.sequence], [snapshot, sequence]);
  assert.ok(report.journalObjects > 0);
  registry = await serve(place);
  await assertAll(registry, expected);
  assert.equal(await registry.stop(), 0);

  const refused = await admin('restore', '--config', place.config, '--from', snapshot);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Give --force/);
  await restored(place, '--from', snapshot, '--force');
  registry = await serve(place);
  assert.equal((await registry.request('GET', '/v2/later/app/manifests/1')).status, 404);
  expected.tags.delete('later/app:1');
  await assertAll(registry, expected);
  const beside = await admin('restore', '--config', place.config, '--force');
  assert.match(beside.stderr, /is in use by/);
  assert.equal(await registry.stop(), 0);
});

test('what cannot be brought back is told exactly', { timeout: 600_000 }, async () => {
  const place = await site();
  const registry = await serve(place);
  const image = await registry.pushImage('a/b', 'whole');
  const broken = await registry.pushImage('a/b', 'broken');
  await journaled(registry, place);
  await registry.kill();
  loseDatabase(place);
  const [file] = globSync(`blobs/sha256/*/${broken.layer.slice(7)}.*`, { cwd: place.data });
  rmSync(join(place.data, file ?? ''));
  const done = await admin('restore', '--data', place.data, '--output', 'json');
  assert.equal(done.code, 1, done.stderr);
  const { lost } = JSON.parse(done.stdout) as RestoreReport;
  assert.deepEqual(lost.blobs, [broken.layer]);
  assert.deepEqual(lost.incomplete, [{ repository: 'a/b', digest: broken.digest, missing: [broken.layer] }]);
  const again = await serve(place);
  assert.equal((await again.request('GET', `/v2/a/b/blobs/${image.layer}`)).status, 200);
  assert.equal((await again.request('HEAD', `/v2/a/b/blobs/${broken.layer}`)).status, 404);
  assert.equal((await again.request('GET', '/v2/a/b/manifests/broken')).status, 200);
  assert.equal(await again.stop(), 0);
});
