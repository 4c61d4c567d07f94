import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isAlreadyExists, isConflict, isKindNotServed, KubeError } from '../../../src/operator/kube/error.ts';
import { HttpKubeClient } from '../../../src/operator/kube/http-client.ts';
import type { KubeObject } from '../../../src/operator/kube/object.ts';
import { Transport } from '../../../src/operator/kube/transport.ts';
import { type BareApiServer, startBareApiServer } from '../../e2e/cluster/apiserver.ts';
import { type CountingClient, configMap, connectionFromFile, countingClient, eventually } from './setup.ts';

const at = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name });
const WIDGET = { apiVersion: 'later.example.org/v1', kind: 'Widget' };
const CRD: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.later.example.org' },
  spec: {
    group: 'later.example.org',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
};

describe('the client, against a real API server', () => {
  let server: BareApiServer;
  let own: CountingClient;
  let dir: string;
  before(async () => {
    server = await startBareApiServer();
    own = countingClient(server);
    dir = await mkdtemp(join(tmpdir(), 'ne-client-'));
  });
  after(async () => {
    own.close();
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test('an object that is not there is undefined, and deleting it is success', async () => {
    assert.equal(await own.client.get(at('nobody')), undefined);
    await own.client.delete(at('nobody'));
  });

  test('a kind that is not served says so, and is found once its CRD is there', async () => {
    const ref = { ...WIDGET, namespace: 'default', name: 'w' };
    assert.equal(await own.client.serves(WIDGET), false);
    await assert.rejects(own.client.get(ref), (error: KubeError) => {
      assert.match(error.message, /Widget of later.example.org\/v1: is its CRD installed\?/);
      return isKindNotServed(error);
    });
    await own.client.delete(ref);
    await own.client.create(CRD);
    await eventually('the kind', () => own.client.serves(WIDGET));
    assert.equal(await own.client.get(ref), undefined);
    // And it is missed when it goes.
    await own.client.delete({ ...CRD, name: CRD.metadata.name });
    await eventually('its end', async () => await own.client.get(ref).then(() => false, isKindNotServed));
  });

  test('errors say what the API server said', async () => {
    await own.client.create(configMap('taken', {}));
    await assert.rejects(own.client.create(configMap('taken', {})), isAlreadyExists);
    const live = (await own.client.get(at('taken'))) as KubeObject;
    await own.client.patch(at('taken'), { data: { a: '1' } });
    await assert.rejects(own.client.replace({ ...live, data: {} }), isConflict);
    const uid = '00000000-0000-0000-0000-000000000000';
    await assert.rejects(own.client.delete(at('taken'), { uid }), isConflict);
    const bad = { ...configMap('bad', {}), data: { 'not a key': '1' } };
    await assert.rejects(own.client.apply(bad), (error: KubeError) => {
      assert.deepEqual([error.status, error.reason, error.causes[0]?.field], [422, 'Invalid', 'data[not a key]']);
      return true;
    });
  });

  test('names with signs of their own reach the right object', async () => {
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'system:discovery' };
    assert.equal((await own.client.get(role))?.metadata.name, 'system:discovery');
  });

  test('an answer larger than allowed is an error for one object, and smaller pages for a list', async (t) => {
    const big = 'x'.repeat(60_000);
    for (let n = 0; n < 12; n++) {
      const object = configMap(`big-${n}`, { big });
      await own.client.create({ ...object, metadata: { ...object.metadata, labels: { big: 'yes' } } });
    }
    let requests = 0;
    const transport = new Transport(connectionFromFile(server.kubeconfig), {
      userAgent: 't/1',
      maxBytes: 500_000,
      observe: () => {
        requests += 1;
      },
    });
    t.after(() => transport.close());
    const list = await new HttpKubeClient(transport).list(at(''), { labelSelector: 'big=yes' });
    assert.equal(list.length, 12);
    assert.ok(requests > 3, `${requests} requests`);
    const small = new Transport(connectionFromFile(server.kubeconfig), { userAgent: 't/1', maxBytes: 50_000 });
    t.after(() => small.close());
    await assert.rejects(new HttpKubeClient(small).get(at('big-1')), { reason: 'ResponseTooLarge' });
  });

  test('sees a token file that rotates', async (t) => {
    const kubeconfig = JSON.parse(await readFile(server.kubeconfig, 'utf8'));
    const token = kubeconfig.users[0].user.token as string;
    const [file, tokenFile] = [join(dir, 'kubeconfig'), join(dir, 'token')];
    const authProvider = { name: 'tokenFile', config: { tokenFile } };
    await writeFile(tokenFile, 'an old one');
    await writeFile(
      file,
      JSON.stringify({ ...kubeconfig, users: [{ name: 'admin', user: { 'auth-provider': authProvider } }] }),
    );
    const transport = new Transport(connectionFromFile(file), { userAgent: 't/1', reloadEveryMs: 0 });
    t.after(() => transport.close());
    const client = new HttpKubeClient(transport);
    await assert.rejects(client.get(at('any')), { status: 401 });
    await writeFile(tokenFile, token);
    assert.equal(await client.get(at('any')), undefined, 'taken at once, not after the minute that a token is kept');
  });

  test('takes credentials from an exec plugin', async (t) => {
    const kubeconfig = JSON.parse(await readFile(server.kubeconfig, 'utf8'));
    const status = { token: kubeconfig.users[0].user.token };
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status };
    const exec = {
      apiVersion: credential.apiVersion,
      command: 'echo',
      args: [JSON.stringify(credential)],
      interactiveMode: 'Never',
    };
    const file = join(dir, 'exec');
    await writeFile(file, JSON.stringify({ ...kubeconfig, users: [{ name: 'admin', user: { exec } }] }));
    const transport = new Transport(connectionFromFile(file), { userAgent: 't/1' });
    t.after(() => transport.close());
    assert.equal(await new HttpKubeClient(transport).get(at('any')), undefined);
  });

  test('says what is wrong with a configuration', async () => {
    const kubeconfig = JSON.parse(await readFile(server.kubeconfig, 'utf8'));
    const file = join(dir, 'wrong');
    const wrong = async (changes: object) => {
      await writeFile(file, JSON.stringify({ ...kubeconfig, ...changes }));
      return () => connectionFromFile(file);
    };
    assert.throws(await wrong({ clusters: [] }), /context "bare" names no cluster/);
    const plain = [{ name: 'bare', cluster: { server: 'http://127.0.0.1:1' } }];
    assert.throws(await wrong({ clusters: plain }), /http:\/\/127.0.0.1:1 is not https/);
  });

  test('no answer is an error that says so', async () => {
    const kubeconfig = JSON.parse(await readFile(server.kubeconfig, 'utf8'));
    const file = join(dir, 'nowhere');
    const nowhere = [{ name: 'bare', cluster: { server: 'https://127.0.0.1:1' } }];
    await writeFile(file, JSON.stringify({ ...kubeconfig, clusters: nowhere }));
    const codes: string[] = [];
    const observe = ({ code }: { code: string }) => void codes.push(code);
    const transport = new Transport(connectionFromFile(file), { userAgent: 't/1', observe });
    await assert.rejects(new HttpKubeClient(transport).get(at('any')), (error: KubeError) => {
      assert.ok(error instanceof KubeError);
      assert.deepEqual([error.status, error.reason], [0, 'NoAnswer']);
      assert.match(error.message, /ECONNREFUSED/);
      return true;
    });
    assert.deepEqual(codes, ['<error>']);
  });
});
