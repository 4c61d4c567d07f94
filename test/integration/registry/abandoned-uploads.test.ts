import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { RegistryBootstrap } from '../../../src/api/bootstrap/v1alpha1.ts';
import { sweepAbandonedUploads } from '../../../src/registry/jobs/abandoned-uploads.ts';
import { openStores, type Stores } from '../../../src/registry/stores.ts';

const folder = mkdtempSync(join(tmpdir(), 'ne-sweep-'));
const silent = '00000000-0000-4000-8000-000000000001';
const active = '00000000-0000-4000-8000-000000000002';
const bare = '00000000-0000-4000-8000-000000000003';
const hour = 3_600_000;
let stores: Stores;

before(async () => {
  const document = RegistryBootstrap.parse({
    apiVersion: 'bootstrap.ne-registry.io/v1alpha1',
    kind: 'RegistryBootstrap',
    storage: { filesystem: { path: folder } },
  });
  stores = await openStores(document, { mode: 'offline', onDeath: assert.fail });
});
after(async () => {
  await stores.close();
  rmSync(folder, { recursive: true, force: true });
});

test('an upload that saw no byte for long is dropped, bytes and row; a younger one is left alone', async () => {
  const now = Date.now();
  for (const id of [silent, active, bare]) {
    await stores.metadata.createUpload({ id, repository: 'a', owner: 'tester', startedAt: now - 3 * hour });
  }
  for (const id of [silent, active]) {
    await stores.blobs.begin(id);
    const body = (async function* () {
      yield Buffer.from('bytes');
    })();
    await stores.blobs.append(id, body, { offset: 0 });
  }
  const then = new Date(now - 2 * hour);
  utimesSync(join(folder, 'uploads', silent), then, then);
  assert.equal(await sweepAbandonedUploads(stores, now - hour, new AbortController().signal), 2);
  assert.equal(await stores.blobs.progress(silent), undefined);
  assert.equal(await stores.metadata.upload(silent), undefined);
  assert.equal(await stores.metadata.upload(bare), undefined);
  assert.equal(await stores.blobs.progress(active), 5);
  assert.ok(await stores.metadata.upload(active));
});
