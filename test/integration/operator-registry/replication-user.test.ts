/** The user that other Registries come as, in the Secrets of a real API server. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import bcrypt from 'bcrypt';
import { decode, type Secret } from '../../../src/operator/registry/children/secret.ts';
import { keepAdministrator, keepReplicationUser } from '../../../src/operator/registry/materials.ts';
import { type RegistryResource, registryKind } from '../../../src/operator/registry/resource.ts';
import { siteOf } from '../../../src/operator/registry/site.ts';
import { parseHtpasswd } from '../../../src/registry/auth/htpasswd.ts';
import { Users } from '../../../src/registry/auth/users.ts';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { startWithDefinitions } from '../crds/server.ts';
import { type CountingClient, countingClient } from '../kube/setup.ts';

const namespace = 'default';
let api: BareApiServer;
let kube: CountingClient;
let registry: RegistryResource;
before(async () => {
  api = await startWithDefinitions();
  kube = countingClient(api);
  const spec = { host: 'main.example' };
  registry = await kube.client.create<RegistryResource>({
    ...registryKind,
    metadata: { name: 'main', namespace },
    spec,
  });
});
after(async () => {
  kube?.close();
  await api?.stop();
});

const checked = new Map<string, string>();
async function keep(replicated: boolean): Promise<void> {
  const context = { client: kube.client, site: siteOf({ registry, defaultImage: 'x', replicated }), checked };
  await keepAdministrator(context, await keepReplicationUser(context));
}

async function secret(name: string): Promise<Record<string, string> | undefined> {
  const found = await kube.client.get<Secret>({ apiVersion: 'v1', kind: 'Secret', name, namespace });
  return found && decode(found);
}

test('it comes with the first rule that needs it, is a plain user of the file that pods have mounted, and goes with the last', async () => {
  await keep(false);
  const administrator = await secret('main-admin');
  assert.equal(await secret('main-replication'), undefined);

  await keep(true);
  const user = await secret('main-replication');
  assert.ok(user?.username === 'ne-replication' && user.password?.length === 32);
  const both = await secret('main-admin');
  assert.equal(both?.password, administrator?.password);
  const users = new Users([parseHtpasswd(both?.htpasswd ?? '', 'main-admin')], ['admin']);
  assert.deepEqual([users.get('admin')?.role, users.get('ne-replication')?.role], ['administrator', 'user']);
  assert.ok(await bcrypt.compare(user.password, users.get('ne-replication')?.hash ?? ''));

  const writes = kube.writes();
  await keep(true);
  checked.clear();
  await keep(true);
  assert.equal(kube.writes(), writes, 'converged is converged, also for an operator that has just started');

  await keep(false);
  assert.equal(await secret('main-replication'), undefined);
  assert.deepEqual(await secret('main-admin'), administrator);
});

test('deleting the Secret makes another password, which is how it is rotated', async () => {
  await keep(true);
  const before = await secret('main-replication');
  await kube.client.delete({ apiVersion: 'v1', kind: 'Secret', name: 'main-replication', namespace });
  await keep(true);
  const after = await secret('main-replication');
  assert.ok(after?.password !== undefined && after.password !== before?.password);
  const lines = (await secret('main-admin'))?.htpasswd?.trim().split('\n') ?? [];
  assert.equal(lines.length, 2);
  assert.ok(await bcrypt.compare(after.password, lines[1]?.split(':')[1] ?? ''));
});
