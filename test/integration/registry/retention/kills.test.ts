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

const kills = 20;
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
  protect: { tags: ['v00*'] },
  rules: [
    {
      rulePriority: 1,
      selection: { tagStatus: 'tagged', tagPatternList: ['v*'], countType: 'imageCountMoreThan', countNumber: 100 },
      action: { type: 'expire' },
    },
  ],
};

const expiredLines = ({ log }: Server) => log.filter((line) => line.includes('"image expired"')).length;

test('twenty kills during an enforcement', { timeout: 600_000 }, async () => {
  server = await startServer({ data, document });
  const tags = Array.from({ length: 710 }, (_, index) => `v${String(index).padStart(3, '0')}`);
  // Ten are protected, and the newest hundred are kept.
  const planned = tags.slice(10, 610);
  const kept = [...tags.slice(0, 10), ...tags.slice(610), 'other'].sort();
  const digests = await house(server).push('kills/app', [...tags, 'other']);
  let midway = 0;
  for (let round = 0; round < kills; round++) {
    const current: Server = server;
    const generation = 2 * round + 1;
    // What it said of the round before, in which it finished what another one had begun.
    const said = expiredLines(current);
    await put(current, { generation, suspend: false });
    await until('it begins', () => expiredLines(current) > said);
    await sleep(randomInt(0, 60));
    await current.kill();
    if (expiredLines(current) - said < planned.length) midway += 1;
    server = await startServer({ data, document });
    const it = house(server);
    await until('it is finished', async () => (await it.tags('kills/app')).length <= kept.length);
    assert.deepEqual((await it.tags('kills/app')).sort(), kept, `round ${round}`);
    await put(server, { generation: generation + 1, suspend: true });
    await restore(it.registry, planned);
    assert.equal((await it.tags('kills/app')).length, tags.length + 1);
    await verify(it.registry, digests, round);
  }
  assert.ok(midway >= kills / 4, `only ${midway} of ${kills} kills came in the middle`);
});

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
  const body = JSON.stringify({ repository: 'kills/app', references });
  const answer = await registry.request('POST', '/admin/v1/retention/restore', { body });
  assert.equal(answer.status, 200, answer.body.toString());
  const { restored, unknown } = answer.json() as { restored: unknown[]; unknown: string[] };
  assert.deepEqual([restored.length, unknown], [references.length, []]);
}

/** Exact bytes, of all in the last round and of some in the others. */
async function verify(registry: Client, digests: ReadonlyMap<string, string>, round: number): Promise<void> {
  for (const [index, [tag, digest]] of [...digests].entries()) {
    if (round < kills - 1 && index % 50 !== 0) continue;
    const got = await registry.request('GET', `/v2/kills/app/manifests/${tag}`);
    assert.deepEqual([got.status, digestOf(got.body)], [200, digest], tag);
  }
}
