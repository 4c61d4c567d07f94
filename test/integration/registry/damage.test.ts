/** Bytes that were damaged at rest are never vouched for once that shows, and a push of the same blob heals them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { globSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Client, client } from './client.ts';
import { type Server, startServer } from './server.ts';
import { until } from './space/until.ts';

let server: Server;
let registry: Client;
before(async () => {
  server = await startServer({ document: { auth: { administrators: ['tester'] } } });
  registry = client(server);
});
after(() => server.discard());

function files(digest: string): string[] {
  const [algorithm = '', hex = ''] = digest.split(':');
  return globSync(`blobs/${algorithm}/**/${hex}*`, { cwd: server.data }).map((path) => join(server.data, path));
}

const damages: readonly [string, (path: string) => void][] = [
  ['removed', (path) => rmSync(path)],
  ['cut short', (path) => truncateSync(path, 10)],
  ['emptied', (path) => truncateSync(path, 0)],
];

for (const [what, damage] of damages) {
  test(`a blob whose file was ${what} is 404 for HEAD and GET, and a push heals it everywhere`, async () => {
    const bytes = randomBytes(5000);
    const digest = await registry.pushBlob('one', bytes);
    await registry.request('POST', `/v2/two/blobs/uploads/?mount=${digest}&from=one`);
    for (const path of files(digest)) damage(path);
    assert.equal((await registry.request('HEAD', `/v2/two/blobs/${digest}`)).status, 404);
    assert.equal((await registry.request('GET', `/v2/one/blobs/${digest}`)).status, 404);
    await registry.pushBlob('one', bytes);
    assert.deepEqual((await registry.request('GET', `/v2/two/blobs/${digest}`)).body, bytes);
  });
}

test('a bit that flipped is healed by a push, which leaves one file', async () => {
  const bytes = randomBytes(5000);
  const digest = await registry.pushBlob('one', bytes);
  assert.deepEqual((await registry.request('GET', `/v2/one/blobs/${digest}`)).body, bytes);
  for (const path of files(digest)) {
    const stored = readFileSync(path);
    stored[100] = (stored[100] ?? 0) ^ 1;
    writeFileSync(path, stored);
  }
  await registry.pushBlob('one', bytes);
  assert.deepEqual((await registry.request('GET', `/v2/one/blobs/${digest}`)).body, bytes);
  assert.equal((await registry.request('POST', '/admin/v1/jobs/reclaim')).status, 202);
  await until('the damaged bytes are removed', () => files(digest).length === 1);
  assert.deepEqual((await registry.request('GET', `/v2/one/blobs/${digest}`)).body, bytes);
});
