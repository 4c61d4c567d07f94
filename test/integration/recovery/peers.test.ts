/** A registry that copies from others loses its database: afterwards it is to them who it was, and its rules run. */
import assert from 'node:assert/strict';
import { globSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { imageType } from '../registry/client.ts';
import { admin, createSite, journaled, type Running, serve } from './registry.ts';

const peerTags = 'application/vnd.ne-registry.tags.v1+json';

/** Everything that other registries are told of the tags, and what the registry was told to do. */
async function told(registry: Running): Promise<object> {
  const list = await registry.request('GET', '/v2/team/app/tags/list', { headers: { accept: peerTags } });
  assert.equal(list.status, 200, list.body.toString());
  const rules = await registry.request('GET', '/admin/v1/rules/retention');
  assert.equal(rules.status, 200, rules.body.toString());
  const of = (rule: { name: string; uid: string; generation: number; spec: object }) => {
    const { name, uid, generation, spec } = rule;
    return { name, uid, generation, spec };
  };
  return { list: list.json(), rules: (rules.json() as { rules: Parameters<typeof of>[0][] }).rules.map(of) };
}

async function putPolicy(registry: Running, name: string, generation: number): Promise<void> {
  const rule = {
    rulePriority: 1,
    selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: generation },
    action: { type: 'expire' },
  };
  const body = JSON.stringify({
    uid: `uid-${name}`,
    generation,
    spec: { repositories: { include: ['team/*'] }, rules: [rule], mode: 'DryRun' },
  });
  const headers = { 'content-type': 'application/json' };
  const put = await registry.request('PUT', `/admin/v1/rules/retention/${name}`, { headers, body });
  assert.equal(put.status, 200, put.body.toString());
}

/** Pushes, and lets another registry push and delete; changes rules. */
async function work(registry: Running, generation: number): Promise<void> {
  const own = await registry.pushImage('team/app', 'own');
  const { bytes } = await registry.pushImage('team/app', 'scratch');
  const as = (version: number) => ({
    'ne-tag-version': `${version}`,
    'ne-tag-origin': 'peer',
    'content-type': imageType,
  });
  const path = (tag: string) => `/v2/team/app/manifests/${tag}`;
  const put = async (tag: string, version: number, body: Buffer) =>
    assert.equal((await registry.request('PUT', path(tag), { headers: as(version), body })).status, 201);
  await put('copied', 10 * generation + 7, bytes);
  await put('own', 10 * generation + 5, own.bytes);
  await put('buried', 10 * generation + 2, bytes);
  const headers = as(10 * generation + 3);
  assert.equal((await registry.request('DELETE', path('buried'), { headers })).status, 202);
  assert.equal((await registry.request('DELETE', path('scratch'))).status, 202);
  await putPolicy(registry, 'stays', generation);
  await putPolicy(registry, `goes-${generation}`, generation);
  const gone = await registry.request('DELETE', `/admin/v1/rules/retention/goes-${generation}`);
  assert.equal(gone.status, 204);
}

test('versions, rules and identity come back from the journal, and from a snapshot with the journal after it', {
  timeout: 600_000,
}, async () => {
  const place = await createSite((path) => ({ backup: { target: { filesystem: { path } }, schedule: '@yearly' } }));
  const running: Running[] = [];
  const start = async () => {
    const registry = await serve(place);
    running.push(registry);
    return registry;
  };
  try {
    for (const [epoch, backup] of [
      [1, false],
      [2, true],
    ] as const) {
      const registry = await start();
      await work(registry, epoch);
      if (backup) {
        const made = await admin('backup', '--config', place.config);
        assert.equal(made.code, 0, made.stderr);
        await work(registry, epoch + 1);
      }
      const before = await told(registry);
      await journaled(registry, place, epoch);
      await registry.kill();
      for (const file of globSync('metadata.db*', { cwd: place.data })) rmSync(join(place.data, file));
      const done = await admin('restore', '--config', place.config, '--output', 'json');
      assert.equal(done.code, 0, done.stdout + done.stderr);
      const again = await start();
      assert.deepEqual(await told(again), before);
      assert.equal(await again.stop(), 0);
    }
  } finally {
    await Promise.all(running.map((registry) => registry.kill()));
    place.discard();
  }
});
