/**
 * The operator as a process of its own against a real API server, killed without warning again and again: whatever step
 * that hits, the next one ends in the same state. No node is there, so nothing runs; what is written is what counts.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundle } from '../../../build/bundle.ts';
import type { KubeObject } from '../../../src/operator/kube/object.ts';
import { registryLabel } from '../../../src/operator/registry/names.ts';
import type { RegistryResource } from '../../../src/operator/registry/resource.ts';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { startWithDefinitions } from '../crds/server.ts';
import { type CountingClient, countingClient, eventually } from '../kube/setup.ts';

const namespace = 'default';
const kills = 50;

let api: BareApiServer;
let kube: CountingClient;
let folder: string;
before(async () => {
  // Bundled it starts in a fraction of the time, fifty times over; and it is what runs in the image.
  folder = await mkdtemp(join(tmpdir(), 'ne-kills-'));
  await bundle(folder);
  api = await startWithDefinitions();
  kube = countingClient(api);
});
after(async () => {
  kube?.close();
  await api?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Every setting in it moves some child. */
function registry(name: string, round: number): KubeObject {
  return {
    apiVersion: 'ne-registry.io/v1alpha1',
    kind: 'Registry',
    metadata: { name, namespace },
    spec: {
      host: `${name}.example`,
      nodeAccess: { mode: 'Configure' },
      podAnnotations: { round: String(round) },
      logging: { level: round % 2 === 0 ? 'info' : 'debug' },
      ...(round % 3 === 0 ? { expose: { ingress: { className: 'nginx' } } } : {}),
      ...(round % 5 === 0 ? { pdb: { maxUnavailable: 1 } } : {}),
    },
  };
}

function operator(): ChildProcess {
  const args = [
    'operator',
    '--registry-image',
    'images.example/ne:1',
    '--leader-elect=false',
    '--listen',
    '127.0.0.1:0',
  ];
  return spawn(process.execPath, [join(folder, 'ne-registry.js'), ...args], {
    env: { ...process.env, KUBECONFIG: api.kubeconfig },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Settles when it says that it has started; what it says later is dropped. */
async function started(child: ChildProcess): Promise<void> {
  if (child.stdout === null) throw new Error('the operator has no standard output');
  await once(child.stdout, 'data');
  child.stdout.resume();
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

const kinds = [
  ['v1', 'ServiceAccount'],
  ['v1', 'Service'],
  ['v1', 'ConfigMap'],
  ['v1', 'PersistentVolumeClaim'],
  ['v1', 'Secret'],
  ['apps/v1', 'StatefulSet'],
  ['apps/v1', 'DaemonSet'],
  ['networking.k8s.io/v1', 'NetworkPolicy'],
  ['networking.k8s.io/v1', 'Ingress'],
  ['policy/v1', 'PodDisruptionBudget'],
] as const;

/** All children of a Registry, less what differs by nature: names in it, times, addresses, and what is random. */
async function state(name: string): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const [apiVersion, kind] of kinds) {
    for (const live of await kube.client.list(
      { apiVersion, kind },
      { namespace, labelSelector: `${registryLabel}=${name}` },
    )) {
      found[`${kind}/${live.metadata.name}`.replaceAll(name, 'NAME')] = neutral(live, name);
    }
  }
  return found;
}

function neutral({ metadata, spec, data, type }: KubeObject, name: string): unknown {
  const kept = {
    labels: metadata.labels,
    owners: metadata.ownerReferences?.map(({ kind, name: owner }) => [kind, owner]),
    finalizers: metadata.finalizers,
    spec,
    type,
    // Values are random, or follow from what is.
    keys: Object.keys((data ?? {}) as object).sort(),
  };
  const text = JSON.stringify(kept, (key, value) => {
    return ['clusterIP', 'clusterIPs', 'nodePort', 'uid'].includes(key) ? undefined : value;
  });
  return JSON.parse(text.replaceAll(name, 'NAME').replace(/"--node-port","\d+"/, '"--node-port","PORT"'));
}

async function settled(name: string, round: number): Promise<void> {
  await eventually(
    `${name} to be in the state of round ${round}`,
    async () => {
      const seen = await kube.client.get<RegistryResource>({
        apiVersion: 'ne-registry.io/v1alpha1',
        kind: 'Registry',
        name,
        namespace,
      });
      const agents = await kube.client.get({
        apiVersion: 'apps/v1',
        kind: 'DaemonSet',
        name: `${name}-node-access`,
        namespace,
      });
      return agents !== undefined && seen?.status?.observedGeneration === seen?.metadata.generation;
    },
    180,
  );
}

describe('kill -9 at random', { timeout: 1_800_000 }, () => {
  test(`after ${kills} of them keys are as they were first made, and the children as if there had been none`, async () => {
    let keys: unknown;
    for (let round = 1; round <= kills; round++) {
      const child = operator();
      try {
        await kube.client.apply(registry('killed', round));
        await started(child);
        // Its work on a change takes some 800 ms on a busy machine; the kill falls anywhere in it.
        await sleep(Math.random() * 1000);
      } finally {
        await kill(child);
      }
      const secret = await kube.client.get({ apiVersion: 'v1', kind: 'Secret', name: 'killed-keys', namespace });
      keys ??= secret?.data;
      if (keys !== undefined) assert.deepEqual(secret?.data, keys, `round ${round}`);
    }
    assert.ok(keys !== undefined, 'no round got as far as the keys');

    const child = operator();
    try {
      await started(child);
      await kube.client.apply(registry('peaceful', kills));
      await settled('killed', kills);
      await settled('peaceful', kills);
      assert.deepEqual(await state('killed'), await state('peaceful'));
      assert.ok(Object.keys(await state('killed')).length >= 14);
    } finally {
      await kill(child);
    }
  });
});
