/**
 * Workers of a Registry's own, by the operator as a process against a real API server. No node is there: what the kubelet and the
 * Deployment controller would say is said here.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'yaml';
import { decode, type Secret } from '../../../src/operator/registry/children/secret.ts';
import type { Pod, Workload } from '../../../src/operator/registry/health.ts';
import { type RegistryResource, registryKind } from '../../../src/operator/registry/resource.ts';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { startWithDefinitions } from '../crds/server.ts';
import { type CountingClient, countingClient, eventually } from '../kube/setup.ts';

const namespace = 'default';
const program = join(import.meta.dirname, '../../../bin/ne-registry.js');
const deployments = { apiVersion: 'apps/v1', kind: 'Deployment', namespace } as const;
let api: BareApiServer;
let kube: CountingClient;
let operator: ChildProcess;
before(async () => {
  api = await startWithDefinitions();
  kube = countingClient(api);
  const args = [
    'operator',
    '--registry-image',
    'images.example/ne:1',
    '--leader-elect=false',
    '--listen',
    '127.0.0.1:0',
  ];
  operator = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, KUBECONFIG: api.kubeconfig },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
});
after(async () => {
  if (operator?.exitCode === null) {
    operator.kill('SIGKILL');
    await once(operator, 'exit');
  }
  kube?.close();
  await api?.stop();
});

const secret = (name: string, stringData: object) =>
  kube.client.create({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData });
const registry = () => kube.client.get<RegistryResource>({ ...registryKind, name: 'main', namespace });
const deployment = (name: string) => kube.client.get<Workload>({ ...deployments, name });
const workersOf = async () => (await registry())?.status?.conditions?.find(({ type }) => type === 'WorkersReady');

function spec(mode: 'InPod' | 'Separate'): RegistryResource['spec'] {
  return {
    host: 'main.example',
    storage: { s3: { bucket: 'images', region: 'cn-north-1', secretRef: { name: 'bucket' } } },
    metadata: { postgres: { secretRef: { name: 'database' } } },
    workers: { mode, concurrency: 3 },
  };
}

const set = (mode: 'InPod' | 'Separate') =>
  kube.client.patch({ ...registryKind, name: 'main', namespace }, { spec: spec(mode) });

/** What is there in the end. */
async function present<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const found = await eventually(what, look, 60);
  assert.ok(found);
  return found;
}

/** As the Deployment controller and a kubelet would. */
async function comeUp(): Promise<void> {
  const workers = await deployment('main-workers');
  const template = (workers as unknown as { spec: { template: Pod } }).spec.template;
  const name = 'main-workers-a';
  const metadata = { ...template.metadata, name, namespace };
  await kube.client.create({ ...template, apiVersion: 'v1', kind: 'Pod', metadata });
  const ref = { apiVersion: 'v1', kind: 'Pod', name, namespace };
  const containerStatuses = [
    { name: 'workers', ready: true, started: true, restartCount: 0, image: 'x', imageID: 'x', state: { running: {} } },
  ];
  const conditions = [{ type: 'Ready', status: 'True' }];
  const status = { phase: 'Running', podIP: '127.0.0.9', podIPs: [{ ip: '127.0.0.9' }], conditions, containerStatuses };
  await kube.client.patch(ref, { status }, { subresource: 'status' });
  const counts = { replicas: 1, readyReplicas: 1, updatedReplicas: 1, availableReplicas: 1 };
  const seen = { ...counts, observedGeneration: workers?.metadata.generation };
  await kube.client.patch({ ...deployments, name: 'main-workers' }, { status: seen }, { subresource: 'status' });
}

test('the Deployment comes with the mode, is counted and judged, and goes with it', { timeout: 600_000 }, async () => {
  await secret('bucket', { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'not used' });
  await secret('database', { uri: 'postgres://registry@database.example/registry' });
  await kube.client.create({ ...registryKind, metadata: { name: 'main', namespace }, spec: spec('InPod') });
  const before = await present('the registry', () => deployment('main'));
  assert.equal(await deployment('main-workers'), undefined);

  await set('Separate');
  const workers = await present('its workers', () => deployment('main-workers'));
  assert.deepEqual(
    workers.metadata.ownerReferences?.map(({ kind, name }) => [kind, name]),
    [['Registry', 'main']],
  );
  await eventually('what serves to be replaced: it leaves the work to them', async () => {
    return !isDeepStrictEqual((await deployment('main'))?.spec, before.spec);
  });
  const documents = decode(
    await kube.client.get<Secret>({ apiVersion: 'v1', kind: 'Secret', name: 'main-bootstrap', namespace }),
  );
  const run = (key: string) => parse(documents[key] ?? '').workers;
  assert.deepEqual(run('config.yaml'), { run: 'None', concurrency: 3 });
  assert.deepEqual(run('workers.yaml'), { run: 'Only', concurrency: 3 });
  const waiting = await present('a word of them', workersOf);
  assert.deepEqual([waiting.status, waiting.reason], ['False', 'PodStarting']);

  await comeUp();
  await eventually('them to be ready', async () => (await workersOf())?.status === 'True');
  const { status } = (await registry()) as RegistryResource;
  assert.deepEqual([status?.workers, status?.replicas?.ready], [{ desired: 1, ready: 1, updated: 1 }, 0]);
  const pod = await present('the pod to be told of its Secrets', async () => {
    const seen = await kube.client.get({ apiVersion: 'v1', kind: 'Pod', name: 'main-workers-a', namespace });
    return seen?.metadata.annotations?.['ne-registry.io/mounted'] === undefined ? undefined : seen;
  });
  assert.equal(pod.metadata.labels?.['app.kubernetes.io/component'], 'workers');

  await set('InPod');
  await eventually('them to go', async () => (await deployment('main-workers')) === undefined);
  await eventually('nothing to be said of them', async () => (await workersOf()) === undefined);
  assert.equal((await registry())?.status?.workers, undefined);
  for (const [apiVersion, kind] of [
    ['v1', 'Service'],
    ['networking.k8s.io/v1', 'NetworkPolicy'],
  ] as const)
    await eventually(`their ${kind} to go`, async () => {
      return (await kube.client.get({ apiVersion, kind, name: 'main-workers', namespace })) === undefined;
    });
});
