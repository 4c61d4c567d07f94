/** A Registry of three replicas on a bucket and PostgreSQL, on a real cluster: what happens to its parts, and to clients. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BRIDGE } from './cluster/layout.ts';
import {
  type Bed,
  condition,
  type Door,
  eventually,
  type KubeLike,
  layBed,
  namespaceObject,
  openDoor,
  pushHello,
  type RegistryLike,
  registryObject,
  runPod,
} from './registry/setup.ts';
import { type StoresOnHost, startStores } from './replicas/stores.ts';
import { Traffic } from './replicas/traffic.ts';

const number = 4;
const namespace = 'ha';
const main = [namespace, 'main'] as const;
const host = 'main.ha.example';
let bed: Bed;
let stores: StoresOnHost;

before(
  async () => {
    bed = await layBed(number);
    // Pods reach this machine by the address of the bridge, which is there once the cluster is.
    if (bed.cluster.engine === 'built') stores = await startStores(BRIDGE.address);
  },
  { timeout: 1_200_000 },
);
after(async () => {
  await stores?.stop();
  await bed?.cluster.down();
});

interface PodLike extends KubeLike {
  status: { containerStatuses?: { restartCount: number }[] };
}

const labelsOf = (component: string) => `ne-registry.io/registry=main,app.kubernetes.io/component=${component}`;

async function pods(component = 'registry'): Promise<PodLike[]> {
  const text = await bed.cluster.kubectl(['get', 'pods', '-n', namespace, '-l', labelsOf(component), '-o', 'json']);
  const { items } = JSON.parse(text) as { items: PodLike[] };
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

async function restarts(): Promise<number> {
  const counts = (await pods()).map(({ status }) => status.containerStatuses?.[0]?.restartCount ?? 0);
  return counts.reduce((sum, count) => sum + count, 0);
}

/** SIGKILL to the registry in a pod, with no word to anybody before; how many processes that were. */
async function killHard(uid: string): Promise<number> {
  let killed = 0;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
    const inside = (await read('cgroup')).replaceAll('_', '-').includes(uid);
    if (!inside || !(await read('cmdline')).includes('serve')) continue;
    process.kill(Number(pid), 'SIGKILL');
    killed++;
  }
  return killed;
}

async function patch(change: object): Promise<void> {
  const args = ['patch', '-n', namespace, 'registry/main', '--type=merge', '-p', JSON.stringify(change)];
  await bed.cluster.kubectl(args);
}

/** Ready for the newest generation of the spec. */
async function settled(seconds = 300): Promise<RegistryLike> {
  return await eventually('the newest generation to be ready', seconds, async () => {
    const seen = await bed.read<RegistryLike & { metadata: { generation: number } }>('registry', 'main', namespace);
    const ready = seen?.status.conditions?.find(({ type }) => type === 'Ready');
    return ready?.status === 'True' && ready.observedGeneration === seen?.metadata.generation ? seen : undefined;
  });
}

describe('three replicas', { timeout: 3_600_000 }, () => {
  let door: Door;
  after(() => door?.close());

  test('come up, spread their work, and a Pod runs from what was pushed', async (t) => {
    if (stores === undefined)
      return t.skip('the address of this machine as pods see it is known on a built cluster only');
    await bed.apply(namespaceObject(namespace, { 'pod-security.kubernetes.io/enforce': 'privileged' }));
    await bed.apply(
      stores.databaseSecret(namespace),
      stores.bucketSecret(namespace),
      registryObject(...main, { ...stores.spec, replicas: 3, nodeAccess: { mode: 'Configure' } }),
    );
    const { registry } = await condition(bed, main, ['Ready', 'True'], 300);
    assert.deepEqual(registry.status.replicas, { desired: 3, ready: 3, updated: 3 });
    assert.equal((await pods()).length, 3);
    assert.equal(await bed.read('pvc', 'main-data', namespace), undefined, 'nothing is the pods’ own');
    assert.ok(await bed.read('pdb', 'main', namespace));
    door = await openDoor(bed, ...main);
    await pushHello(door, 'team/hello:1');
    await runPod(bed, door, { host, repository: 'team/hello:1' });
  });

  test('no Secret of the stores is copied into anything', async () => {
    const copies = await bed.cluster.kubectl(['get', 'all,secret,configmap', '-n', namespace, '-o', 'json']);
    const { items } = JSON.parse(copies) as { items: (KubeLike & { kind: string })[] };
    const secret = (name: string) => items.find((each) => each.kind === 'Secret' && each.metadata.name === name);
    const values = [secret('database')?.data?.password, secret('bucket')?.data?.AWS_SECRET_ACCESS_KEY];
    for (const value of values) {
      assert.ok(value);
      const plain = Buffer.from(value, 'base64').toString();
      const holders = items.filter((each) => {
        const text = JSON.stringify(each);
        const decoded = Object.values(each.data ?? {}).map((data) => Buffer.from(data, 'base64').toString());
        return text.includes(plain) || decoded.some((data) => data.includes(plain));
      });
      // kubectl keeps what it was given in an annotation of the very Secret.
      assert.deepEqual([...new Set(holders.map(({ kind, metadata }) => `${kind}/${metadata.name}`))].length, 1);
    }
  });

  test('workers of their own come, are replaced and go, and clients notice nothing', async () => {
    const workers = () => pods('workers');
    const metrics = async (name = '') =>
      await bed.cluster.kubectl(['get', '--raw', `/api/v1/namespaces/${namespace}/pods/${name}:9090/proxy/metrics`]);
    const passed = /^ne_registry_job_runs_total\{kind="reclaim",result="success"\} [1-9]/m;
    await using traffic = await Traffic.start(door);
    await eventually('traffic', 180, async () => traffic.tags.size >= 2);
    await patch({ spec: { workers: { mode: 'Separate' } } });
    const { status } = await settled(300);
    assert.deepEqual([status.workers, status.replicas?.ready], [{ desired: 1, ready: 1, updated: 1 }, 3]);
    const [worker] = await workers();
    assert.ok(worker);
    await eventually('work', 300, async () => passed.test(await metrics(worker.metadata.name)));
    for (const { metadata } of await pods())
      assert.doesNotMatch(await metrics(metadata.name), /^ne_registry_job_runs/m);

    assert.ok((await killHard(worker.metadata.uid)) > 0, 'nothing was killed');
    await eventually('the worker to be there again', 240, async () => {
      const counts = (await workers()).map((pod) => pod.status.containerStatuses?.[0]?.restartCount);
      const seen = await bed.read<RegistryLike>('registry', 'main', namespace);
      return (
        counts[0] === 1 &&
        seen?.status.conditions?.some((each) => each.type === 'WorkersReady' && each.status === 'True')
      );
    });
    await patch({ spec: { workers: { mode: 'InPod' } } });
    await settled(300);
    await eventually('the workers to be gone', 180, async () => (await workers()).length === 0);
    assert.equal(await bed.read('deployment', 'main-workers', namespace), undefined);
    await sleep(12_000);
    await traffic.stop();
    report('workers', traffic, 0);
    assert.deepEqual(traffic.failures, []);
    await traffic.verify();
  });

  test('a rolling update during pushes and pulls cuts no request', async () => {
    const before = new Set((await pods()).map(({ metadata }) => metadata.uid));
    await using traffic = await Traffic.start(door);
    await eventually('traffic', 180, async () => traffic.tags.size >= 4);
    const started = traffic.answered;
    await patch({ spec: { podAnnotations: { rolled: 'once' } } });
    await settled(300);
    await eventually('the earlier pods to be gone', 240, async () => {
      const now = await pods();
      return now.length === 3 && now.every(({ metadata }) => !before.has(metadata.uid));
    });
    await sleep(12_000);
    await traffic.stop();
    report('rolling update', traffic, started);
    assert.deepEqual(traffic.failures, []);
    assert.ok(traffic.answered - started > 50, `only ${traffic.answered - started} requests`);
    await traffic.verify();
  });

  test('a replica that is killed costs nothing that was acknowledged, and the others go on', async () => {
    await using traffic = await Traffic.start(door);
    await eventually('traffic', 180, async () => traffic.tags.size >= 2);
    const [victim] = await pods();
    assert.ok(victim);
    assert.ok((await killHard(victim.metadata.uid)) > 0, 'nothing was killed');
    const at = traffic.tags.size;
    await eventually('pushes after the kill', 120, async () => traffic.tags.size >= at + 4);
    await eventually('three replicas', 240, async () => {
      const seen = await bed.read<RegistryLike>('registry', 'main', namespace);
      return (await restarts()) === 1 && seen?.status.replicas?.ready === 3;
    });
    await traffic.stop();
    report('kill', traffic, 0);
    await settled();
    await traffic.verify();
  });

  test('a new password and new keys are taken up without a restart, and no request fails', async () => {
    const before = (await pods()).map(({ metadata }) => metadata.uid).sort();
    await using traffic = await Traffic.start(door);
    await eventually('traffic', 180, async () => traffic.tags.size >= 2);
    const withdraw = await stores.rotateKeys();
    await stores.rotatePassword();
    await bed.apply(stores.databaseSecret(namespace), stores.bucketSecret(namespace));
    await sleep(75_000);
    await withdraw();
    // Connections that were opened with the password before are closed, so that new ones have to be.
    await stores.postgres.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'registry_%' AND state = 'idle'",
    );
    const at = traffic.tags.size;
    await eventually('pushes with the new credentials', 180, async () => traffic.tags.size >= at + 4);
    await traffic.stop();
    report('rotation', traffic, 0);
    assert.deepEqual(traffic.failures, []);
    assert.deepEqual((await pods()).map(({ metadata }) => metadata.uid).sort(), before);
    assert.equal(await restarts(), 1, 'the one that was killed');
    await traffic.verify();
  });

  test('a database that is away is told in a condition, and serving goes on by itself when it is back', async () => {
    await stores.toDatabase.cut();
    try {
      const { message } = await condition(bed, main, ['Ready', 'False', 'NotServing'], 240);
      assert.match(message, /takes no requests/);
    } finally {
      await stores.toDatabase.mend();
    }
    const mended = Date.now();
    await eventually('a push after it is back', 60, () => pushHello(door, 'team/hello:2').then(() => true));
    const seconds = (Date.now() - mended) / 1000;
    assert.ok(seconds <= 30, `took ${seconds} s`);
    await condition(bed, main, ['Ready', 'True'], 240);
    assert.equal(await restarts(), 1, 'the one that was killed');
  });

  test('a bucket that is away is answered 503 where it is needed, and serving goes on by itself when it is back', async () => {
    await using traffic = await Traffic.start(door);
    await eventually('traffic', 180, async () => traffic.tags.size >= 2);
    await stores.toBucket.cut();
    try {
      await eventually('refusals', 180, async () => traffic.failures.length >= 2);
      await sleep(10_000);
    } finally {
      await stores.toBucket.mend();
    }
    const mended = Date.now();
    const at = traffic.tags.size;
    await eventually('pushes after it is back', 60, async () => traffic.tags.size >= at + 4);
    const seconds = (Date.now() - mended) / 1000;
    assert.ok(seconds <= 30, `took ${seconds} s`);
    await traffic.stop();
    report('bucket away', traffic, 0);
    // EPIPE: the answer came, and the connection was closed, while the body was still being sent.
    const expected = /: (503|429) |ECONNRESET|EPIPE|socket hang up|aborted/;
    const unexpected = traffic.failures.filter((failure) => !expected.test(failure));
    assert.equal(unexpected.length, 0, `${unexpected.join('\n')}\n${unexpected.length > 0 ? await unforeseen() : ''}`);
    assert.ok(
      traffic.failures.some((failure) => /: (503|429) \{"errors"/.test(failure)),
      traffic.failures.join('; '),
    );
    await settled();
    assert.equal(await restarts(), 1, 'the one that was killed');
    await traffic.verify();
  });

  test('deleted and applied again it serves the same images, with the same keys', async () => {
    const keys = await bed.read('secret', 'main-keys', namespace);
    await bed.cluster.kubectl(['delete', '-n', namespace, 'registry/main', '--timeout=300s']);
    await eventually('the pods to go', 240, async () => (await pods()).length === 0);
    assert.ok(await bed.read('secret', 'database', namespace));
    await bed.apply(registryObject(...main, { ...stores.spec, replicas: 2, nodeAccess: { mode: 'Configure' } }));
    await condition(bed, main, ['Ready', 'True'], 300);
    assert.deepEqual((await bed.read('secret', 'main-keys', namespace))?.data, keys?.data);
    await door.close();
    door = await openDoor(bed, ...main);
    await runPod(bed, door, { host, repository: 'team/hello:1' });
  });

  test('a store that cannot be used is told in words', async () => {
    const { s3 } = stores.spec.storage;
    await bed.cluster.kubectl(['delete', '-n', namespace, 'registry/main', '--timeout=300s']);
    assert.ok(s3);
    const nowhere = { ...stores.spec, storage: { s3: { ...s3, bucket: 'nowhere' } } };
    await bed.apply(registryObject(namespace, 'lost', { ...nowhere, replicas: 2 }));
    const found = await condition(bed, [namespace, 'lost'], ['Ready', 'False', 'PodFailing'], 240);
    assert.match(found.message, /nowhere/);
    await bed.cluster.kubectl(['delete', '-n', namespace, 'registry/lost']);
  });
});

/** What the replicas say of requests that failed as none should. */
async function unforeseen(): Promise<string> {
  const logs = await bed.cluster.kubectl([
    'logs',
    '-n',
    namespace,
    '-l',
    labelsOf('registry'),
    '--tail=-1',
    '--prefix',
  ]);
  const lines = logs.split('\n').filter((line) => line.includes('not foreseen'));
  return lines.slice(0, 3).join('\n');
}

function report(what: string, traffic: Traffic, since: number): void {
  const { answered, tags, failures } = traffic;
  console.log(
    `# ${what}: ${answered - since} requests answered, ${tags.size} images acknowledged, ${failures.length} failed`,
  );
}

describe('a Registry on a volume', { timeout: 1_200_000 }, () => {
  const small = ['small', 'main'] as const;
  let door: Door;
  after(() => door?.close());

  test('takes space back, and writes snapshots to a second claim', async () => {
    const resources = { requests: { storage: '1Gi' } };
    const metadata = { name: 'second', namespace: 'small' };
    const spec = { accessModes: ['ReadWriteOnce'], resources };
    await bed.apply(
      namespaceObject('small'),
      { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec },
      registryObject(...small, {
        nodeAccess: { mode: 'Configure' },
        reclaim: { grace: '10s' },
        scrub: { rate: '1Mi' },
        backup: { target: { existingClaim: 'second' }, schedule: '* * * * *', keep: 3 },
      }),
    );
    await condition(bed, small, ['Ready', 'True'], 240);
    door = await openDoor(bed, ...small);
    await pushHello(door, 'team/hello:1');
    const { registry } = await eventually('a snapshot', 300, async () => {
      const seen = await bed.read<RegistryLike>('registry', 'main', 'small');
      return seen?.status.lastBackup === undefined ? undefined : { registry: seen };
    });
    assert.ok(Date.now() - Date.parse(registry.status.lastBackup ?? '') < 200_000);
  });
});
