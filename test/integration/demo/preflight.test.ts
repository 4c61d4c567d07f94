/** Why the demo stops on a cluster that is not made for it, before it has changed anything there. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type BareApiServer, startBareApiServer } from '../../e2e/cluster/apiserver.ts';
import { Obstacle } from '../../e2e/demo/ask.ts';
import { everyNodeHas, preflight } from '../../e2e/demo/preflight.ts';
import type { Target } from '../../e2e/demo/target.ts';

const IMAGE = 'localhost/ne-registry:1';
let server: BareApiServer;
let on: Target;

before(async () => {
  server = await startBareApiServer();
  on = {
    kubeconfig: server.kubeconfig,
    title: 'your cluster (context bare)',
    own: false,
    loadImage: undefined,
    kubectl: (args, input) => server.kubectl(args, input),
    helm: () => assert.fail('nothing may be installed'),
  };
});

after(async () => await server?.stop());

async function create(object: object): Promise<void> {
  const { code, stderr } = await server.kubectl(['create', '-f', '-'], JSON.stringify(object));
  assert.equal(code, 0, stderr);
}

async function node(runtime: string, images: string[] = []): Promise<void> {
  await server.kubectl(['delete', 'node', 'one', '--ignore-not-found']);
  await create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'one' } });
  const status = { nodeInfo: nodeInfo(runtime), images: images.map((name) => ({ names: [name], sizeBytes: 1 })) };
  const patch = ['patch', 'node', 'one', '--subresource=status', '--type=merge', '-p', JSON.stringify({ status })];
  const { code, stderr } = await server.kubectl(patch);
  assert.equal(code, 0, stderr);
}

function nodeInfo(containerRuntimeVersion: string): object {
  const unknown = [
    'machineID',
    'systemUUID',
    'bootID',
    'kernelVersion',
    'osImage',
    'kubeletVersion',
    'kubeProxyVersion',
  ];
  const fields = Object.fromEntries([...unknown, 'operatingSystem', 'architecture'].map((field) => [field, 'x']));
  return { ...fields, containerRuntimeVersion };
}

async function stops(work: Promise<void>, why: RegExp): Promise<void> {
  await assert.rejects(work, (error) => error instanceof Obstacle && why.test(error.message));
}

test('a cluster without a node', async () => await stops(preflight(on), /has no node/));

test('a node whose container runtime the demo cannot teach', async () => {
  await node('cri-o://1.34.0');
  await stops(preflight(on), /Node one runs cri-o:\/\/1\.34\.0.*only teach containerd/s);
});

test('no StorageClass that is the default', async () => {
  await node('containerd://2.3.4');
  const storageClass = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', provisioner: 'x' };
  await create({ ...storageClass, metadata: { name: 'slow' } });
  await stops(preflight(on), /no default StorageClass \(there are: slow\)/);
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  await create({ ...storageClass, metadata: { name: 'fast', annotations } });
});

test('a cluster that has all it takes', async () => await preflight(on));

test('a cluster that forbids hostPath volumes', async () => {
  const label = (value: string) =>
    server.kubectl(['label', 'namespace', 'default', `pod-security.kubernetes.io/enforce${value}`]);
  await label('=restricted');
  await stops(preflight(on), /takes no pod with a hostPath volume/);
  await label('-');
});

test('nodes that cannot get the image of the operator', async () => {
  await node('containerd://2.3.4', ['localhost/other:1']);
  await stops(
    everyNodeHas(on, IMAGE),
    /Node one cannot get the operator's image localhost\/ne-registry:1.*NE_REGISTRY_IMAGE/s,
  );
  await node('containerd://2.3.4', [IMAGE]);
  await everyNodeHas(on, IMAGE);
});

test('somebody who may not install', async () => {
  const limited: Target = { ...on, kubectl: (args, input) => server.kubectl([...args, '--as', 'somebody'], input) };
  await stops(preflight(limited), /may not create customresourcedefinitions/);
});
