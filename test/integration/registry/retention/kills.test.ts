/** Kill -9 in the middle of an enforcement: nothing outside the plan is ever gone, what is in it goes, and all of it can be restored. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../client.ts';
import { digestOf } from '../client.ts';
import { type Server, startServer } from '../server.ts';
import { until } from '../space/until.ts';
import { house } from './house.ts';

/** At least, and where most of an enforcement is over before the kill comes at most. */
const kills = { least: 20, most: 60 };
/** Kills that come in the middle. */
const wanted = 10;
const data = mkdtempSync(join(tmpdir(), 'ne-retention-kills-'));
const document = { auth: { administrators: ['tester'] } };
let server: Server | undefined;
after(async () => {
  await server?.kill();
  rmSync(data, { recursive: true, force: true });
  rmSync(`${data}.config.json`, { force: true });
});

const spec = {
  repositories: { include: ['kills/app'] },
  protect: { tags: ['v000*'] },
  rules: [
    {
      rulePriority: 1,
      selection: { tagStatus: 'tagged', tagPatternList: ['v*'], countType: 'imageCountMoreThan', countNumber: 100 },
      action: { type: 'expire' },
    },
  ],
};

const expiredLines = ({ log }: Server) => log.filter((line) => line.includes('"image expired"')).length;

test('twenty kills during an enforcement', { timeout: 1_800_000 }, async () => {
  server = await startServer({ data, document });
  const tags = Array.from({ length: 1310 }, (_, index) => `v${String(index).padStart(4, '0')}`);
  // Ten are protected, and the newest hundred are kept.
  const planned = tags.slice(10, 1210);
  const kept = [...tags.slice(0, 10), ...tags.slice(1210), 'other'].sort();
  const digests = await house(server).push('kills/app', [...tags, 'other']);
  let generation = 1;
  await put(server, { generation, suspend: false });
  let midway = 0;
  for (let round = 0; round < kills.least || (round < kills.most && midway < wanted); round++) {
    const current: Server = server;
    await until('it goes on', () => expiredLines(current) > 0, 180);
    await sleep(randomInt(0, 60));
    await current.kill();
    server = await startServer({ data, document });
    const left = new Set(await house(server).tags('kills/app'));
    for (const tag of kept) assert.ok(left.has(tag), `${tag} is gone in round ${round}`);
    if (left.size > kept.length) midway += 1;
    else {
      generation += 2;
      await again(server, { planned, generation });
    }
  }
  assert.ok(midway >= wanted, `only ${midway} kills came in the middle`);
  const it = house(server);
  await until('it is finished', async () => (await it.tags('kills/app')).length === kept.length, 180);
  assert.deepEqual((await it.tags('kills/app')).sort(), kept);
  await put(server, { generation: generation + 1, suspend: true });
  await restore(it.registry, planned);
  for (const [tag, digest] of digests) {
    const got = await it.registry.request('GET', `/v2/kills/app/manifests/${tag}`);
    assert.deepEqual([got.status, digestOf(got.body)], [200, digest], tag);
  }
});

/** All of it had gone: it comes back, and goes once more. */
async function again(
  to: Server,
  { planned, generation }: { planned: readonly string[]; generation: number },
): Promise<void> {
  await put(to, { generation: generation - 1, suspend: true });
  await restore(house(to).registry, planned);
  await put(to, { generation, suspend: false });
}

async function put(to: Server, { generation, suspend }: { generation: number; suspend: boolean }): Promise<void> {
  const body = JSON.stringify({ uid: 'kills', generation, spec: { ...spec, suspend } });
  const path = '/admin/v1/rules/retention/kills';
  const answer = await fetch(new URL(path, to.url), {
    method: 'PUT',
    body,
    headers: { authorization: to.authorization },
  });
  assert.equal(answer.status, 200);
}

async function restore(registry: Client, references: readonly string[]): Promise<void> {
  for (let at = 0; at < references.length; at += 1000) {
    const some = references.slice(at, at + 1000);
    const body = JSON.stringify({ repository: 'kills/app', references: some });
    const answer = await registry.request('POST', '/admin/v1/retention/restore', { body });
    assert.equal(answer.status, 200, answer.body.toString());
    const { restored, unknown } = answer.json() as { restored: unknown[]; unknown: string[] };
    assert.deepEqual([restored.length, unknown], [some.length, []]);
  }
}
