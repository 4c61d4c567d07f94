/** From one machine to PostgreSQL and a bucket, and back; and a lost PostgreSQL database. All servers are real. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { RegistryBootstrapInput } from '../../../src/api/bootstrap/v1alpha1.ts';
import type { MigrateResult } from '../../../src/registry/recovery/migrate/migrate.ts';
import type { RestoreReport } from '../../../src/registry/recovery/restore/report.ts';
import { type Bucket, startBucket } from '../../programs/bucket.ts';
import { type PostgresServer, startPostgres } from '../../programs/postgres.ts';
import { digestOf } from '../registry/client.ts';
import { admin, createSite, journaled, type Running, type Site, serve, writeConfig } from './registry.ts';

let bucket: Bucket;
let postgres: PostgresServer;
let site: Site;

before(async () => {
  [bucket, postgres, site] = await Promise.all([startBucket(), startPostgres({ fsync: false }), createSite()]);
});
after(async () => {
  await Promise.allSettled([bucket.stop(), postgres.remove()]);
  site.discard();
});

/** The configuration of the same registry on PostgreSQL and the bucket. */
async function clusterConfig(name: string): Promise<string> {
  const { secretDirectory } = await postgres.database();
  const file = join(site.folder, name);
  const document: Partial<RegistryBootstrapInput> = {
    metadata: { postgres: { secretDirectory, tls: 'Disable' } },
    auth: {
      htpasswdFiles: [join(site.data, 'htpasswd')],
      token: { privateKeyFile: join(site.data, 'token.key') },
    },
  };
  writeConfig(file, { storage: { s3: { ...bucket.place, forcePathStyle: true } }, ...document });
  return file;
}

async function migrated(from: string, to: string): Promise<MigrateResult> {
  const done = await admin('migrate', '--from', from, '--to', to, '--output', 'json');
  assert.equal(done.code, 0, done.stdout + done.stderr);
  return JSON.parse(done.stdout) as MigrateResult;
}

type Images = Map<string, { digest: string; layer: string }>;

async function assertAll(registry: Running, images: Images): Promise<void> {
  for (const [tag, { digest, layer }] of images) {
    const manifest = await registry.request('GET', `/v2/a/b/manifests/${tag}`);
    assert.deepEqual([manifest.status, digestOf(manifest.body)], [200, digest], tag);
    const blob = await registry.request('GET', `/v2/a/b/blobs/${layer}`);
    assert.deepEqual([blob.status, digestOf(blob.body)], [200, layer], tag);
  }
}

test('a registry moves to PostgreSQL and a bucket, survives there, and moves back', { timeout: 600_000 }, async () => {
  const images: Images = new Map();
  let registry = await serve(site);
  for (let n = 0; n < 8; n++) images.set(`v${n}`, await registry.pushImage('a/b', `v${n}`));
  await registry.request('DELETE', '/v2/a/b/manifests/v7');
  images.delete('v7');
  const cluster = await clusterConfig('cluster.yaml');
  const refused = await admin('migrate', '--from', site.config, '--to', cluster);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /is in use by/);
  assert.equal(await registry.stop(), 0);

  const there = await migrated(site.config, cluster);
  assert.deepEqual([there.blobs, there.skipped, there.damaged], [9, 0, []]);
  const twice = await admin('migrate', '--from', site.config, '--to', cluster);
  assert.equal(twice.code, 1);
  assert.match(twice.stderr, /not empty/);
  const checked = await admin('check', '--config', cluster, '--rehash');
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);

  registry = await serve({ config: cluster, authorization: site.authorization });
  await assertAll(registry, images);
  images.set('later', await registry.pushImage('a/b', 'later'));
  await journaled(registry, { config: cluster });
  await registry.kill();

  // The database is lost: a new, empty one takes its place.
  const anew = await clusterConfig('anew.yaml');
  await assert.rejects(serve({ config: anew, authorization: site.authorization }), /admin restore/);
  const restored = await admin('restore', '--config', anew, '--output', 'json');
  assert.equal(restored.code, 0, restored.stdout + restored.stderr);
  assert.equal((JSON.parse(restored.stdout) as RestoreReport).restored.tags, images.size);
  registry = await serve({ config: anew, authorization: site.authorization });
  await assertAll(registry, images);
  assert.equal(await registry.stop(), 0);

  const home = await createSite();
  try {
    const back = await migrated(anew, home.config);
    assert.equal(back.blobs, 10);
    registry = await serve(home);
    await assertAll(registry, images);
    assert.equal(await registry.stop(), 0);
  } finally {
    home.discard();
  }
});
