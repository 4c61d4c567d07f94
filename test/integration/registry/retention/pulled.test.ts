/** Who pulls an image while a cluster is away may run it: that is remembered before it is answered, whatever happens to the registry. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Server, startServer } from '../server.ts';
import { house } from './house.ts';

const data = mkdtempSync(join(tmpdir(), 'ne-retention-pulled-'));
const document = { auth: { administrators: ['tester'] }, inUse: { clusters: ['here'], staleSeconds: 900 } };
let server: Server | undefined;
after(async () => {
  await server?.kill();
  rmSync(data, { recursive: true, force: true });
  rmSync(`${data}.config.json`, { force: true });
});

const spec = {
  repositories: { include: ['pulled/app'] },
  rules: [
    {
      rulePriority: 1,
      selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1 },
      action: { type: 'expire' },
    },
  ],
};

test('an image that was pulled right before the registry was killed does not expire', async () => {
  server = await startServer({ data, document });
  const before = house(server);
  await before.push('pulled/app', ['v1', 'v2', 'v3', 'v4']);
  assert.equal(await before.report('here', []), 204);
  // One after the other on a connection that is answered the quick way, and one on Node's.
  assert.equal((await before.registry.request('GET', '/v2/pulled/app/manifests/v1')).status, 200);
  const conditional = { 'if-none-match': '"other"' };
  const asked = await before.registry.request('GET', '/v2/pulled/app/manifests/v2', { headers: conditional });
  assert.equal(asked.status, 200);
  await server.kill();

  server = await startServer({ data, document });
  const it = house(server);
  await it.put('pulled', spec);
  const state = await it.evaluated('pulled');
  assert.deepEqual((await it.tags('pulled/app')).sort(), ['v1', 'v2', 'v4']);
  assert.equal(state.plan?.blockedInUse, 2);
});
