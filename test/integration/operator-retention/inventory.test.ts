/** What the operator reports of a cluster, from a real API server to real registries, here and elsewhere. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../../src/operator/kube/object.ts';
import { ports } from '../../../src/operator/registry/paths.ts';
import { eventually } from '../kube/setup.ts';
import { Bed, found, namespace, type Operator, type Pod } from './bed.ts';
import { Door } from './door.ts';

const secretKind = { apiVersion: 'v1', kind: 'Secret' } as const;

let bed: Bed;
let operator: Operator;
let pod: Pod;
let door: Door;
before(async () => {
  bed = await Bed.lay();
  operator = bed.operator();
  const inUse = { clusters: [{ name: 'local' }, { name: 'edge-7' }], staleAfter: '12s' };
  pod = await bed.registry('main', '127.0.78.21', { inUse });
  door = await Door.to(pod);
});
after(async () => {
  door?.[Symbol.dispose]();
  await bed?.[Symbol.asyncDispose]();
});

function podSpec(image: string): object {
  return { containers: [{ name: 'c', image }] };
}

function workload(kind: string, name: string, spec: object, more: object = {}): KubeObject {
  const apiVersion = { Pod: 'v1', Job: 'batch/v1', CronJob: 'batch/v1' }[kind] ?? 'apps/v1';
  return { apiVersion, kind, metadata: { name, namespace, ...more }, spec };
}

function templated(kind: string, name: string, image: string, more: object = {}): KubeObject {
  const labels = { app: name };
  const spec = { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec(image) }, ...more };
  return workload(kind, name, spec);
}

interface Cluster {
  name: string;
  reportedAt?: string;
  receivedAt?: string;
  stale?: boolean;
  images?: number;
  namespaces?: string[];
}

async function cluster(name: string, at = door): Promise<Cluster | undefined> {
  const { json } = await at.send('GET', '/admin/v1/inventories');
  return (json.clusters as Cluster[]).find((each) => each.name === name);
}

/** Why an image stays, in the registry's words. */
async function explained(repository: string, reference: string): Promise<string> {
  const query = `repository=${encodeURIComponent(repository)}&reference=${encodeURIComponent(reference)}`;
  return (await door.send('GET', `/admin/v1/retention/explain?${query}`)).text;
}

/** A port of `localhost` that leads to a pod. */
async function forward(to: Pod): Promise<{ port: number } & AsyncDisposable> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(ports.api, to.address);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => undefined);
    }
    pipeline(near, far, near, () => undefined);
  }).listen(0, 'localhost');
  await once(server, 'listening');
  const close = async () => {
    for (const socket of open) socket.destroy();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close };
}

const everyKind: [string, KubeObject][] = [
  ['Pod default/alone', workload('Pod', 'alone', podSpec('main.example/used/pod:1'))],
  ['Deployment default/web', templated('Deployment', 'web', 'main.example/used/deployment:1', { replicas: 0 })],
  ['ReplicaSet default/old', templated('ReplicaSet', 'old', 'main.example/used/replicaset:1', { replicas: 0 })],
  [
    'StatefulSet default/db',
    templated('StatefulSet', 'db', 'main.example/used/statefulset:1', { serviceName: 'db', replicas: 0 }),
  ],
  ['DaemonSet default/agent', templated('DaemonSet', 'agent', 'main.example/used/daemonset:1')],
  [
    'Job default/once',
    workload('Job', 'once', {
      template: { spec: { restartPolicy: 'Never', ...podSpec('main.example/used/job:1') } },
    }),
  ],
  [
    'CronJob default/nightly',
    workload('CronJob', 'nightly', {
      schedule: '0 2 * * *',
      suspend: true,
      jobTemplate: {
        spec: { template: { spec: { restartPolicy: 'Never', ...podSpec('main.example/used/cronjob:1') } } },
      },
    }),
  ],
];

describe('the inventory', { timeout: 1_200_000 }, () => {
  test('comes on its own, and again within the time past which it were stale', async () => {
    const first = await found('the first report', async () => (await cluster('local'))?.receivedAt);
    await eventually('the next one', async () => ((await cluster('local'))?.receivedAt ?? '') > first);
    await sleep(13_000);
    assert.equal((await cluster('local'))?.stale, false);
  });

  test('names what every kind of workload uses, and who, within two seconds or so', async () => {
    await bed.applyPolicy('all', {
      repositories: { include: ['used/*'] },
      rules: [
        {
          rulePriority: 1,
          selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1 },
          action: { type: 'expire' },
        },
      ],
    });
    await bed.condition('all', 'Ready=True InForce');
    for (const [, object] of everyKind) {
      const repository = `used/${object.kind.toLowerCase()}`;
      await door.push(repository, '1');
      await door.push(repository, '2');
      await bed.user.client.apply(object);
    }
    for (const [who, object] of everyKind) {
      const repository = `used/${object.kind.toLowerCase()}`;
      await eventually(`${who} in the report`, async () => (await explained(repository, '1')).includes(who));
    }
    for (const tag of ['1', '2', '3', '4']) await door.push('used/late', tag);
    // The quickest of three: that the machine was away for a moment says nothing of how soon a change is told.
    const took: number[] = [];
    for (const tag of ['1', '2', '3']) {
      const changedAt = Date.now();
      await bed.user.client.apply(workload('Pod', `late-${tag}`, podSpec(`main.example/used/late:${tag}`)));
      await eventually('a change in the report', async () =>
        (await explained('used/late', tag)).includes(`Pod default/late-${tag}`),
      );
      took.push(Date.now() - changedAt);
    }
    assert.ok(Math.min(...took) < 4000, `${took} ms`);
  });

  test('goes by the digest that a node found, whatever the name', async () => {
    const digest = await door.push('used/digest', '1');
    await door.push('used/digest', '2');
    const ref = { apiVersion: 'v1', kind: 'Pod', name: 'mirrored', namespace };
    await bed.user.client.apply(workload('Pod', 'mirrored', podSpec('mirror.example/elsewhere:x')));
    const status = {
      phase: 'Running',
      containerStatuses: [
        {
          name: 'c',
          image: 'mirror.example/elsewhere:x',
          imageID: `mirror.example/elsewhere@${digest}`,
          ready: true,
          restartCount: 0,
        },
      ],
    };
    await bed.user.client.patch(ref, { status }, { subresource: 'status' });
    await eventually('the digest in the report', async () =>
      (await explained('used/digest', digest)).includes('Pod default/mirrored'),
    );
  });

  test('keeps a ControllerRevision of a StatefulSet: what it would be rolled back to', async () => {
    await door.push('used/revision', '1');
    await door.push('used/revision', '2');
    const owner = await bed.user.client.get({ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', namespace });
    const { uid = '' } = owner?.metadata ?? {};
    await bed.user.client.apply({
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: {
        name: 'db-1',
        namespace,
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid, controller: true }],
      },
      data: { spec: { template: { $patch: 'replace', spec: podSpec('main.example/used/revision:1') } } },
      revision: 1,
    } as KubeObject);
    await eventually('the revision in the report', async () =>
      (await explained('used/revision', '1')).includes('StatefulSet default/db'),
    );
  });

  test('lets go what is gone', async () => {
    const before = (await cluster('local'))?.images ?? 0;
    await bed.user.client.delete({ apiVersion: 'v1', kind: 'Pod', name: 'late-1', namespace });
    await eventually('one less', async () => (await cluster('local'))?.images === before - 1, 120);
  });

  test('stops where the API server is away, so that it grows stale instead of wrong', {
    timeout: 600_000,
  }, async () => {
    await bed.api.crash();
    await eventually('the report to be stale', async () => (await cluster('local'))?.stale === true, 240);
    await bed.api.restart();
    await eventually('it to be fresh again', async () => (await cluster('local'))?.stale === false, 180);
  });
});

describe('another cluster', { timeout: 900_000 }, () => {
  test('reports with the Secret that the operator here made for it, and that its operator is told of', async () => {
    const status = await eventually('the Secret in the status', async () => {
      const ref = { apiVersion: 'ne-registry.io/v1alpha1', kind: 'Registry', name: 'main', namespace };
      const registry = await bed.user.client.get<KubeObject & { status?: { reporters?: unknown } }>(ref);
      return registry?.status?.reporters;
    });
    assert.deepEqual(status, [{ cluster: 'edge-7', secretName: 'main-reporter-edge-7' }]);
    assert.equal((await cluster('edge-7'))?.receivedAt, undefined);
    await using elsewhere = await Bed.lay();
    await using entrance = await forward(pod);
    const made = await pod.secret('reporter-edge-7');
    assert.deepEqual(Object.keys(made).sort(), ['ca.crt', 'cluster', 'interval', 'token', 'url']);
    assert.equal(made.url, 'https://main.example');
    // No name server knows the registry's host; `localhost` is in its certificate, and the pod's address is not.
    const carried = { ...made, url: `https://localhost:${entrance.port}` };
    await elsewhere.user.client.create({
      ...secretKind,
      metadata: { name: 'hub', namespace },
      stringData: carried,
    } as KubeObject);
    elsewhere.operator({ reportTo: [{ namespace, name: 'hub' }], namespaces: [namespace] });
    const reported = await found('its report', async () => {
      const seen = await cluster('edge-7');
      return seen?.receivedAt === undefined ? undefined : seen;
    });
    assert.deepEqual([reported.stale, reported.namespaces], [false, [namespace]]);
  });

  test('can do nothing else with it: no other cluster, nothing of the admin API', async () => {
    const { token } = await pod.secret('reporter-edge-7');
    const ask = (method: string, path: string) =>
      door.send(method, path, { body: '{}', authorization: `Bearer ${token}` });
    for (const [method, path] of [
      ['PUT', '/admin/v1/inventories/local'],
      ['GET', '/admin/v1/inventories'],
      ['GET', '/admin/v1/status'],
      ['PUT', '/admin/v1/rules/retention/mine'],
      ['GET', '/v2/_catalog'],
    ] as const) {
      assert.match(String((await ask(method, path)).status), /^40[13]$/, `${method} ${path}`);
    }
    assert.equal(
      (await ask('PUT', '/admin/v1/inventories/edge-7')).status,
      400,
      'its own is read, and this one is none',
    );
  });

  test('loses its Secret when it is taken off the list, and its token is worth nothing', async () => {
    const { token } = await pod.secret('reporter-edge-7');
    const ref = { apiVersion: 'ne-registry.io/v1alpha1', kind: 'Registry', name: 'main', namespace };
    await bed.user.client.patch(ref, { spec: { inUse: { clusters: [{ name: 'local' }] } } });
    await eventually('the Secret to go', async () => Object.keys(await pod.secret('reporter-edge-7')).length === 0);
    await eventually('the token to be refused', async () => {
      const path = '/admin/v1/inventories/edge-7';
      const { status } = await door.send('PUT', path, { body: '{}', authorization: `Bearer ${token}` });
      return status === 401 || status === 403 || status === 404;
    });
    assert.equal(await cluster('edge-7'), undefined);
    assert.ok(operator.log.lines.every(({ message }) => !message.includes(token ?? '-')));
  });
});
