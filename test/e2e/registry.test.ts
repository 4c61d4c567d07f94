/** A Registry from `kubectl apply` to a Pod that runs from it, and everything that may happen to one, on a real cluster. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { advance, bundle } from '../../src/operator/registry/tls/authority.ts';
import { issueServerCertificate } from '../../src/operator/registry/tls/issue.ts';
import { leafLife, validity } from '../../src/operator/registry/tls/rotation.ts';
import { layout } from './cluster/layout.ts';
import { Pusher } from './registry/pusher.ts';
import {
  type Bed,
  condition,
  type Door,
  eventually,
  type KubeLike,
  layBed,
  namespaceObject,
  nodePortLeads,
  openDoor,
  operatorMetric,
  operatorWrites,
  pushHello,
  type RegistryLike,
  registryObject,
  runPod,
} from './registry/setup.ts';

const number = 3;
let bed: Bed;

before(
  async () => {
    bed = await layBed(number);
  },
  { timeout: 1_200_000 },
);
after(async () => {
  await bed?.cluster.down();
});

const main = ['registry', 'main'] as const;
const host = 'main.registry.example';

/** What somebody without credentials is answered. */
async function strangersStatus(door: Door, path: string): Promise<number | undefined> {
  const asked = get(`https://${door.authority}${path}`, { ca: await readFile(door.caFile) });
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
}

/** A figure that the registry's pod reports of itself. */
async function registryMetric(name: string): Promise<number> {
  const path = '/api/v1/namespaces/registry/pods/main-0:9090/proxy/metrics';
  const text = await bed.cluster.kubectl(['get', '--raw', path]);
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
}

describe('the main job', { timeout: 3_600_000 }, () => {
  let door: Door;
  after(() => door?.close());

  test('within a minute of `kubectl apply` an image is pushed, and a Pod runs from it', async () => {
    await bed.apply(namespaceObject('registry'));
    const applied = Date.now();
    await bed.apply(registryObject(...main, { nodeAccess: { mode: 'Configure' } }));
    await condition(bed, main, ['Ready', 'True']);
    door = await openDoor(bed, ...main);
    await pushHello(door, 'team/hello:1');
    const seconds = (Date.now() - applied) / 1000;
    assert.ok(seconds <= 60, `took ${seconds} s`);
    await runPod(bed, door, { host, repository: 'team/hello:1' });
  });

  test('its status names the URL, the CA, the administrator and what is stored, and is exact about Ready', async () => {
    const { registry } = await condition(bed, main, ['NodeAccessReady', 'True']);
    const { status } = registry;
    assert.equal(status.url, `https://${host}`);
    assert.equal(status.internalURL, 'https://main.registry.svc');
    assert.equal(status.adminSecretName, 'main-admin');
    assert.match(status.caBundle ?? '', /^-----BEGIN CERTIFICATE-----/);
    assert.match(status.version ?? '', /^\d/);
    assert.deepEqual(status.replicas, { desired: 1, ready: 1, updated: 1 });
    assert.deepEqual(
      status.conditions?.map(({ type }) => type),
      ['NodeAccessReady', 'Ready'],
    );
    await eventually('the pushed image to be counted', 180, async () => {
      const seen = await bed.read<RegistryLike>('registry', 'main', 'registry');
      return seen?.status.repositories === 1 && (seen.status.storage?.usedBytes ?? 0) > 1000;
    });
  });

  test('strangers are shut out', async () => {
    assert.equal(await strangersStatus(door, '/v2/'), 401);
  });

  test('reconciled a hundred times when converged, it sends no write', async () => {
    await quiet();
    const since = new Date();
    const before = await operatorMetric(bed, 'controller_runtime_reconcile_total', 'controller="registry"');
    const client = bed.client();
    const service = { apiVersion: 'v1', kind: 'Service', namespace: 'registry', name: 'main' };
    const reconciles = async (): Promise<number> =>
      (await operatorMetric(bed, 'controller_runtime_reconcile_total', 'controller="registry"')) - before;
    let count = 0;
    const end = Date.now() + 300_000;
    for (let round = 0; count < 100 && Date.now() < end; round++) {
      // What others write on a child wakes the operator; it is not the operator's field.
      await client.patch(service, { metadata: { annotations: { poke: String(round) } } });
      await sleep(150);
      if (round % 25 === 24) count = await reconciles();
    }
    assert.ok(count >= 100, `only ${count} reconciles`);
    assert.deepEqual(await operatorWrites(bed, since), []);
    const resident = await operatorMetric(bed, 'process_resident_memory_bytes', '');
    assert.ok(resident > 0 && resident <= 150e6, `the operator holds ${Math.round(resident / 1e6)} MB`);
  });

  test('its pod killed twenty times during pushes, it loses nothing that it acknowledged', {
    timeout: 1_800_000,
  }, async () => {
    const pusher = await Pusher.for(door);
    const work = Promise.all(['a', 'b'].map((name) => pusher.run(name)));
    const kill = ['-n', 'registry', 'delete', 'pod', 'main-0', '--force', '--grace-period=0', '--wait=true'];
    for (let round = 0; round < 20; round++) {
      const pushed = pusher.tags.size;
      await eventually('a push after the kill', 180, async () => pusher.tags.size > pushed);
      await bed.cluster.kubectl(kill);
    }
    pusher.stop();
    await work;
    await condition(bed, main, ['Ready', 'True']);
    await eventually('the registry to answer', 180, () => pusher.verify().then(() => true));
    const resident = await registryMetric('process_resident_memory_bytes');
    assert.ok(resident > 0 && resident <= 100 * 1024 * 1024, `the registry holds ${Math.round(resident / 1e6)} MB`);
  });

  test('what is deleted or changed by hand comes back', async () => {
    const children = [
      'service/main',
      'service/main-pods',
      'configmap/main-ca',
      'networkpolicy/main',
      'serviceaccount/main-registry',
      'statefulset/main',
      'secret/main-bootstrap',
      'secret/main-tls',
      'daemonset/main-node-access',
    ];
    const uids = new Map<string, string | undefined>();
    for (const child of children) {
      const [kind = '', name = ''] = child.split('/');
      uids.set(child, (await bed.read(kind, name, 'registry'))?.metadata.uid);
      await bed.cluster.kubectl(['delete', '-n', 'registry', child, '--wait=false']);
    }
    for (const child of children) {
      const [kind = '', name = ''] = child.split('/');
      await eventually(`${child} to come back`, 180, async () => {
        const live = await bed.read(kind, name, 'registry');
        return live !== undefined && live.metadata.uid !== uids.get(child) && !live.metadata.deletionTimestamp;
      });
    }
    await bed.cluster.kubectl(['scale', '-n', 'registry', 'statefulset/main', '--replicas=0']);
    await eventually('the replica to come back', 120, async () => {
      const live = await bed.read<KubeLike & { spec: { replicas: number } }>('statefulset', 'main', 'registry');
      return live?.spec.replicas === 1;
    });
    await condition(bed, main, ['Ready', 'True'], 240);
    await runPod(bed, door, { host, repository: 'team/hello:1' });
  });

  test('a setting that changes is running when the Registry is ready again, and the pod was not replaced', async () => {
    const before = await bed.read('pod', 'main-0', 'registry');
    const change = { spec: { auth: { anonymous: 'Pull' }, logging: { level: 'debug' } } };
    await patch('main', change);
    await eventually('the new generation to be ready', 180, async () => {
      const seen = await bed.read<RegistryLike & { metadata: { generation: number } }>('registry', 'main', 'registry');
      const ready = seen?.status.conditions?.find(({ type }) => type === 'Ready');
      return ready?.status === 'True' && ready.observedGeneration === seen?.metadata.generation;
    });
    assert.equal((await bed.read('pod', 'main-0', 'registry'))?.metadata.uid, before?.metadata.uid);
    assert.equal(await strangersStatus(door, '/v2/team/hello/tags/list'), 200, 'anonymous pulls are allowed now');
  });

  test('suspended, it is left alone and says so; the annotation asks for a look at once', async () => {
    await patch('main', { spec: { suspend: true } });
    await condition(bed, main, ['Suspended', 'True']);
    await bed.cluster.kubectl(['delete', '-n', 'registry', 'networkpolicy/main']);
    await sleep(3000);
    assert.equal(await bed.read('networkpolicy', 'main', 'registry'), undefined);
    await patch('main', { spec: { suspend: false } });
    await eventually('the policy to come back', 120, () => bed.read('networkpolicy', 'main', 'registry'));
    const asked = new Date().toISOString();
    await bed.cluster.kubectl(['annotate', '-n', 'registry', 'registry/main', `ne-registry.io/reconcile-at=${asked}`]);
    await eventually('the request to be handled', 120, async () => {
      const seen = await bed.read<RegistryLike>('registry', 'main', 'registry');
      return seen?.status.lastHandledReconcileAt === asked;
    });
  });

  test('deleted, it keeps the volume and takes back what it wrote on nodes; applied again, it serves the same images', async () => {
    const hosts = join(layout(number).certsDir, host, 'hosts.toml');
    assert.match(await readFile(hosts, 'utf8'), /Registry registry\/main/);
    const claim = await bed.read('pvc', 'main-data', 'registry');
    const keys = await bed.read('secret', 'main-keys', 'registry');
    await bed.cluster.kubectl(['delete', '-n', 'registry', 'registry/main', '--timeout=300s']);
    await eventually('the node to be cleaned', 180, async () => !existsSync(hosts));
    await eventually(
      'the agents to go',
      120,
      async () => (await bed.read('daemonset', 'main-node-access', 'registry')) === undefined,
    );
    await eventually('the pod to go', 180, async () => (await bed.read('pod', 'main-0', 'registry')) === undefined);
    assert.equal((await bed.read('pvc', 'main-data', 'registry'))?.metadata.uid, claim?.metadata.uid);

    await bed.apply(registryObject(...main, { nodeAccess: { mode: 'Configure' } }));
    await condition(bed, main, ['Ready', 'True'], 240);
    assert.deepEqual((await bed.read('secret', 'main-keys', 'registry'))?.data, keys?.data);
    await door.close();
    door = await openDoor(bed, ...main);
    await runPod(bed, door, { host, repository: 'team/hello:1' });
  });

  test('with deletionPolicy Delete everything goes, also when the policy changed late', async () => {
    await patch('main', { spec: { deletionPolicy: 'Delete', nodeAccess: null } });
    await eventually('the claim to be owned', 180, async () => {
      const claim = await bed.read('pvc', 'main-data', 'registry');
      return claim?.metadata.ownerReferences?.some(({ kind }) => kind === 'Registry');
    });
    await bed.cluster.kubectl(['delete', '-n', 'registry', 'registry/main', '--timeout=300s']);
    for (const [kind, name] of [
      ['pvc', 'main-data'],
      ['secret', 'main-keys'],
      ['secret', 'main-admin'],
      ['secret', 'main-ca'],
    ] as const) {
      await eventually(
        `${kind} ${name} to go`,
        180,
        async () => (await bed.read(kind, name, 'registry')) === undefined,
      );
    }
    await eventually('the node to be cleaned', 180, async () => !existsSync(join(layout(number).certsDir, host)));
  });

  async function quiet(): Promise<void> {
    await eventually('ten seconds without a write', 300, async () => {
      return (await operatorWrites(bed, new Date(Date.now() - 10_000))).length === 0;
    });
  }
});

async function patch(name: string, change: object, namespace = 'registry'): Promise<void> {
  await bed.cluster.kubectl(['patch', '-n', namespace, 'registry', name, '--type=merge', '-p', JSON.stringify(change)]);
}

describe('bad input gives a condition that says what to do', { timeout: 2_400_000 }, () => {
  before(async () => {
    await bed.apply(namespaceObject('bad'));
  });

  const cases: [string, Parameters<typeof registryObject>[2], string, RegExp][] = [
    [
      'a Secret that is missing',
      { tls: { secretName: 'nowhere' } },
      'SecretMissing',
      /Secret bad\/\S+.*spec\.tls\.secretName.*create it with "tls\.crt" and "tls\.key"/,
    ],
    [
      'users that are missing',
      { auth: { htpasswd: { secretRef: { name: 'nobody' } } } },
      'SecretMissing',
      /"htpasswd"/,
    ],
    [
      'an unknown StorageClass',
      { storage: { filesystem: { storageClassName: 'wishful' } } },
      'StorageClassUnknown',
      /"wishful".*there are .*standard/,
    ],
    [
      'a claim that is missing',
      { storage: { filesystem: { existingClaim: 'gone' } } },
      'VolumeClaimMissing',
      /bad\/gone/,
    ],
    [
      'an image that cannot be pulled',
      { image: { repository: 'localhost:1/nothing', tag: 'none' } },
      'ImagePullFailed',
      /localhost:1\/nothing:none cannot be pulled/,
    ],
    ['a setting that comes later', { quota: [{ project: 'team', size: '1Gi' }] }, 'SettingNotSupported', /spec\.quota/],
    [
      'a claim for backups that is missing',
      { backup: { target: { existingClaim: 'gone' } } },
      'VolumeClaimMissing',
      /bad\/gone, which spec\.backup/,
    ],
    [
      'a database without its Secret',
      { metadata: { postgres: { secretRef: { name: 'nowhere' } } } },
      'SecretMissing',
      /bad\/nowhere, which spec\.metadata\.postgres\.secretRef names, does not exist/,
    ],
    ['a pod that no node takes', { nodeSelector: { disk: 'none' } }, 'PodUnschedulable', /no node takes/],
  ];
  for (const [index, [what, spec, reason, message]] of cases.entries()) {
    test(what, async () => {
      await bed.apply(registryObject('bad', `r${index}`, spec));
      const found = await condition(bed, ['bad', `r${index}`], ['Ready', 'False', reason]);
      assert.match(found.message, message);
      // The name of a key may be said, a value never.
      assert.doesNotMatch(found.message, /password[:=]|PRIVATE/i);
      await bed.cluster.kubectl(['delete', '-n', 'bad', `registry/r${index}`]);
    });
  }

  test('a node port that is taken', async () => {
    const taken = { expose: { service: { type: 'NodePort', nodePort: 30777 } } } as const;
    await bed.apply(registryObject('bad', 'first', taken));
    await eventually('the first Service', 120, () => bed.read('service', 'first', 'bad'));
    await bed.apply(registryObject('bad', 'second', taken));
    const found = await condition(bed, ['bad', 'second'], ['Ready', 'False', 'NodePortTaken']);
    assert.match(found.message, /30777.*spec\.expose\.service\.nodePort/);
    await bed.cluster.kubectl(['delete', '-n', 'bad', 'registry/first', 'registry/second']);
  });

  test('somebody else’s object of a name that it needs is not taken over', async () => {
    const theirs = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'mine-ca', namespace: 'bad' },
      data: { a: 'b' },
    };
    await bed.apply(theirs, registryObject('bad', 'mine'));
    const found = await condition(bed, ['bad', 'mine'], ['Ready', 'False', 'NameTaken']);
    assert.match(found.message, /ConfigMap bad\/mine-ca/);
    assert.deepEqual((await bed.read('configmap', 'mine-ca', 'bad'))?.data, { a: 'b' });
    await bed.cluster.kubectl(['delete', '-n', 'bad', 'configmap/mine-ca']);
    await condition(bed, ['bad', 'mine'], ['Ready', 'True'], 240);
    await bed.cluster.kubectl(['delete', '-n', 'bad', 'registry/mine']);
  });

  test('users that cannot be read, given to a registry that serves', async () => {
    const users = (htpasswd: string) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'users', namespace: 'bad' },
      stringData: { htpasswd },
    });
    const spec = { auth: { htpasswd: { secretRef: { name: 'users' } } } };
    await bed.apply(users('# nobody yet\n'), registryObject('bad', 'users', spec));
    await condition(bed, ['bad', 'users'], ['Ready', 'True'], 240);
    await bed.apply(users('alice:plain\n'));
    const found = await condition(bed, ['bad', 'users'], ['Ready', 'False', 'SettingsRefused'], 240);
    assert.match(found.message, /htpasswd line 1: user "alice" has no bcrypt hash/);
    await bed.apply(users('# nobody again\n'));
    await condition(bed, ['bad', 'users'], ['Ready', 'True'], 240);
    await bed.cluster.kubectl(['delete', '-n', 'bad', 'registry/users']);
  });

  test('a claim that is deleted under its pod', async () => {
    await bed.apply(registryObject('bad', 'kept'));
    await condition(bed, ['bad', 'kept'], ['Ready', 'True'], 240);
    await bed.cluster.kubectl(['delete', '-n', 'bad', 'pvc/kept-data', '--wait=false']);
    const found = await condition(bed, ['bad', 'kept'], ['VolumeClaimDeleting', 'True']);
    assert.match(found.message, /kept-data was deleted and goes with the pod/);
    await bed.cluster.kubectl(['delete', '-n', 'bad', 'registry/kept']);
  });

  test('a namespace that enforces the restricted profile runs the registry, and says why it refuses agents', async () => {
    await bed.apply(namespaceObject('strict', { 'pod-security.kubernetes.io/enforce': 'restricted' }));
    await bed.apply(registryObject('strict', 'main', { nodeAccess: { mode: 'Configure' } }));
    const found = await condition(bed, ['strict', 'main'], ['NodeAccessReady', 'False']);
    assert.match(found.message, /Pod Security/);
    await condition(bed, ['strict', 'main'], ['Ready', 'True'], 240);
  });

  test('a namespace with a Registry is deleted without a deadlock', async () => {
    await bed.cluster.kubectl(['delete', 'namespace', 'strict', 'bad', '--timeout=300s']);
  });

  test('rules and policies wait for a Registry, and say so', async () => {
    const kind = (name: string, spec: object) => {
      return {
        apiVersion: 'ne-registry.io/v1alpha1',
        kind: name,
        metadata: { name: 'early', namespace: 'early' },
        spec,
      };
    };
    const rules = [
      {
        rulePriority: 1,
        selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 9 },
        action: { type: 'expire' },
      },
    ];
    await bed.apply(
      namespaceObject('early'),
      kind('ReplicationRule', { source: 'ghcr.io/myorg/app', targets: ['registry.example.com/myorg/app'] }),
      kind('RetentionPolicy', { repositories: { include: ['**'] }, rules }),
    );
    for (const each of ['replicationrule', 'retentionpolicy']) {
      const seen = await eventually(`the ${each} to be answered`, 120, async () => {
        const found = await bed.read<RegistryLike>(each, 'early', 'early');
        return found?.status.conditions?.length ? found : undefined;
      });
      const conditions = seen.status.conditions?.map(({ type, status, reason }) => `${type}=${status} ${reason}`);
      assert.deepEqual(conditions, ['Ready=False RegistryNotFound', 'Reconciling=True RegistryNotFound']);
      assert.equal(seen.status.observedGeneration, 1);
    }
  });
});

describe("a certificate of the user's own", { timeout: 900_000 }, () => {
  test('is served, and what replaces it is served within half a minute, by the same pod', async () => {
    const now = new Date();
    const { authority } = await advance(undefined, 'test CA', now);
    const names = ['own.example', bed.cluster.nodeIP];
    const secret = async (): Promise<{ object: object; certificate: string }> => {
      const leaf = await issueServerCertificate(authority.current, names, validity(now, leafLife));
      const stringData = { 'tls.crt': leaf.certificate, 'tls.key': leaf.key, 'ca.crt': bundle(authority) };
      const metadata = { name: 'own-tls', namespace: 'own' };
      const object = { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata, stringData };
      return { object, certificate: leaf.certificate };
    };
    const first = await secret();
    await bed.apply(
      namespaceObject('own'),
      first.object,
      registryObject('own', 'main', {
        host: 'own.example',
        tls: { secretName: 'own-tls' },
        expose: { service: { type: 'NodePort' } },
      }),
    );
    const { registry } = await condition(bed, ['own', 'main'], ['Ready', 'True'], 240);
    assert.equal(registry.status.caBundle, bundle(authority));
    type Ported = KubeLike & { spec: { ports: { nodePort: number }[] } };
    const port = (await bed.read<Ported>('service', 'main', 'own'))?.spec.ports[0]?.nodePort ?? 0;
    await nodePortLeads(`${bed.cluster.nodeIP}:${port}`);
    assert.equal(await servedBy(bed.cluster.nodeIP, port), new X509Certificate(first.certificate).fingerprint256);
    const pod = await bed.read('pod', 'main-0', 'own');
    const second = await secret();
    await bed.apply(second.object);
    const wanted = new X509Certificate(second.certificate).fingerprint256;
    const changed = Date.now();
    await eventually('the new certificate', 75, async () => (await servedBy(bed.cluster.nodeIP, port)) === wanted);
    assert.ok(Date.now() - changed < 60_000, `took ${(Date.now() - changed) / 1000} s`);
    assert.equal((await bed.read('pod', 'main-0', 'own'))?.metadata.uid, pod?.metadata.uid);
    await bed.cluster.kubectl(['delete', 'namespace', 'own', '--wait=false']);
  });
});

describe('an operator for one namespace', { timeout: 900_000 }, () => {
  test('looks after the Registries there with Roles alone, and after no others', async () => {
    await bed.apply(namespaceObject('one'), namespaceObject('two'));
    await bed.install({ 'watchNamespaces[0]': 'one' });
    await bed.apply(
      registryObject('one', 'main', { nodeAccess: { mode: 'Configure' } }),
      registryObject('two', 'main'),
    );
    await condition(bed, ['one', 'main'], ['Ready', 'True'], 240);
    assert.equal((await bed.read<RegistryLike>('registry', 'main', 'two'))?.status.observedGeneration, -1);
    await bed.apply(registryObject('one', 'typo', { storage: { filesystem: { storageClassName: 'wishful' } } }));
    const found = await condition(bed, ['one', 'typo'], ['Ready', 'False', 'VolumeClaimPending']);
    assert.match(found.message, /wishful/);
    await bed.cluster.kubectl(['delete', 'namespace', 'one', 'two', '--timeout=300s']);
  });
});

/** The fingerprint of the certificate that answers at an address. */
async function servedBy(address: string, port: number): Promise<string> {
  const socket = connect({ host: address, port, rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}
