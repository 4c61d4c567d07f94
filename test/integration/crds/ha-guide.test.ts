/** What docs/ha.md tells a user to write and to run, against a real API server. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import type { KubeClient } from '../../../src/operator/kube/client.ts';
import { requireSecrets } from '../../../src/operator/registry/materials.ts';
import type { RegistryResource } from '../../../src/operator/registry/resource.ts';
import { siteOf } from '../../../src/operator/registry/site.ts';
import { unsupportedSettings } from '../../../src/operator/registry/support.ts';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { countingClient } from '../kube/setup.ts';
import { startWithDefinitions } from './server.ts';

let api: BareApiServer;
let page: string;
let client: KubeClient;
let close = (): void => undefined;
before(async () => {
  page = await readFile(new URL('../../../docs/ha.md', import.meta.url), 'utf8');
  api = await startWithDefinitions();
  ({ client, close } = countingClient(api));
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'registry' } });
});
after(async () => {
  close();
  await api?.stop();
});

/** The Registry on the page. */
function registry(): RegistryResource {
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text]) => parse(text ?? ''));
  return blocks.find(({ kind }) => kind === 'Registry');
}

test('its commands make Secrets that its Registry takes', async () => {
  const environment: Record<string, string> = { DATABASE_PASSWORD: 'p', ACCESS_KEY: 'a', SECRET_KEY: 's' };
  const commands = [...page.matchAll(/^\$ kubectl (.*)$/gm)].map(([, text = '']) => text);
  assert.equal(commands.length, 2);
  for (const command of commands) {
    const args = command.replace(/"\$(\w+)"/g, (_all, name: string) => environment[name] ?? '').split(' ');
    const { code, stderr } = await api.kubectl(args);
    assert.equal(code, 0, stderr);
  }
  const site = siteOf({ registry: registry(), defaultImage: 'a/b:1' });
  await requireSecrets(client, site);
  assert.deepEqual([site.shared, site.replicas], [true, 3]);
});

test('its Registry is valid, and nothing in it is more than this version can do', async () => {
  const created = await api.request(
    'POST',
    '/apis/ne-registry.io/v1alpha1/namespaces/registry/registries?fieldValidation=Strict',
    registry(),
  );
  assert.equal(created.status, 201, created.body.message);
  assert.deepEqual(unsupportedSettings(registry().spec), []);
});
