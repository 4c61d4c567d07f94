import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { countWrites, writes } from './cluster/audit.ts';
import { apply, type Cluster, eventually } from './cluster/cluster.ts';
import { down, engine, remains, up } from './cluster/engine.ts';
import { helloImage } from './cluster/images.ts';
import { BRIDGE, type Layout, layout } from './cluster/layout.ts';
import { endedPrograms } from './cluster/node.ts';
import { ended, identify, isRunning, killRecorded, onlyChild, readRecord } from './cluster/process.ts';

// Not the numbers that other tests and people use: this file tears its clusters down again and again.
const FIRST = 8;
const SECOND = 9;

const skip = (await engine()) === 'built' ? false : 'kind runs the cluster here: it answers for its own clean-up';

describe('the test cluster', { skip, timeout: 1_800_000 }, () => {
  let cluster: Cluster;

  before(async () => {
    await down(FIRST);
    await down(SECOND);
    cluster = await up(FIRST);
    await deployHello(cluster);
  });

  after(async () => {
    await down(FIRST);
    await down(SECOND);
  });

  it('binds a claim on the default StorageClass that a restricted, non-root pod writes to', async () => {
    await hello(cluster, 'write', '/data/note', 'kept');
    assert.equal(await hello(cluster, 'read', '/data/note'), 'kept');
  });

  it('keeps what is on a volume when its pod is made anew', async () => {
    await hello(cluster, 'write', '/data/note', 'outlives');
    await cluster.kubectl(['delete', 'pod', '-n', 'app', '-l', 'app=hello', '--wait']);
    // Of the pod, not of the Deployment: what that says may still be about the pod that has gone.
    await eventually(cluster, ['wait', 'pod', '-n', 'app', '-l', 'app=hello', '--for=condition=Ready'], 120);
    assert.equal(await hello(cluster, 'read', '/data/note'), 'outlives');
  });

  it('gives a claim the size it asks for, and lets it grow', async () => {
    const size = ['get', 'pvc', 'data', '-n', 'app', '-o', 'jsonpath={.status.capacity.storage}'];
    assert.equal(await cluster.kubectl(size), '20Gi');
    const patch = JSON.stringify({ spec: { resources: { requests: { storage: '30Gi' } } } });
    await cluster.kubectl(['patch', 'pvc', 'data', '-n', 'app', '-p', patch]);
    await eventually(cluster, ['wait', 'pvc/data', '-n', 'app', '--for=jsonpath={.status.capacity.storage}=30Gi'], 120);
  });

  it('removes a volume with its claim', async () => {
    await apply(cluster, [claim('brief'), user('brief')]);
    await eventually(cluster, ['wait', 'pod/brief', '-n', 'app', '--for=condition=Ready', '--timeout=60s'], 120);
    const name = await cluster.kubectl(['get', 'pvc', 'brief', '-n', 'app', '-o', 'jsonpath={.spec.volumeName}']);
    const folder = join(layout(FIRST).volumes, name);
    assert.ok(existsSync(folder), `${folder} is there while it is claimed`);
    await cluster.kubectl(['delete', 'pod/brief', 'pvc/brief', '-n', 'app', '--wait']);
    await eventually(cluster, ['wait', `pv/${name}`, '--for=delete', '--timeout=30s'], 120);
    assert.ok(!existsSync(folder), `${folder} is gone with its claim`);
  });

  it('resolves cluster names, and reaches a Service by its name, from a pod', async () => {
    assert.match(await hello(cluster, 'resolve', 'hello.app.svc.cluster.local'), /^\[10\.96\.\d+\.\d+\]/);
    assert.equal(await heard(cluster, 'http://hello.app'), 'hello from node8\n');
  });

  it('serves a node port to this machine, and logs to kubectl', async () => {
    assert.equal(await fetched(await nodePort(cluster)), 'hello from node8\n');
    const { code } = await cluster.tryKubectl(['logs', '-n', 'app', 'deployment/hello']);
    assert.equal(code, 0);
  });

  it('pulls an image as the files say that a pod wrote into certsDir on the node', async () => {
    const image = await helloImage();
    const registry = await serveLayout(image.layout, BRIDGE.address);
    try {
      const { port } = registry.address() as AddressInfo;
      const url = `http://${BRIDGE.address}:${port}`;
      // containerd 1.6 passes over a file that has `server` but no table of hosts.
      const hosts = `server = "${url}"\n[host."${url}"]\n  capabilities = ["pull", "resolve"]\n`;
      await apply(cluster, [hostWriter(image.reference, cluster.certsDir, hosts)]);
      await eventually(cluster, ['wait', 'pod/host-writer', '--for=jsonpath={.status.phase}=Succeeded'], 120);
      await apply(cluster, [puller('registry.test/hello:1')]);
      await eventually(cluster, ['wait', 'pod/puller', '--for=condition=Ready', '--timeout=60s'], 120);
      const path = 'jsonpath={.status.containerStatuses[0].imageID}';
      const id = await cluster.kubectl(['get', 'pod', 'puller', '-o', path]);
      assert.equal(id, `registry.test/hello@${image.digest}`);
    } finally {
      registry.closeAllConnections();
      registry.close();
    }
  });

  it('refuses a privileged pod in a restricted namespace', async () => {
    const args = ['run', 'bad', '-n', 'app', '--image=x', '--privileged'];
    const { code, stderr } = await cluster.tryKubectl(args);
    assert.notEqual(code, 0);
    assert.match(stderr, /violates PodSecurity "restricted/);
  });

  it('counts writes by who sent them', async () => {
    const since = new Date();
    await cluster.kubectl(['create', 'configmap', 'counted', '-n', 'app', '--as=auditor', '--as-group=system:masters']);
    await cluster.kubectl(['get', 'configmaps', '-n', 'app']);
    const found = (await writes(cluster.auditLog, { since })).filter((write) => write.name === 'counted');
    assert.deepEqual(
      found.map(({ verb, resource, status }) => ({ verb, resource, status })),
      [{ verb: 'create', resource: 'configmaps', status: 201 }],
    );
    assert.equal(await countWrites(cluster, { since, userAgent: 'kubectl' }), 1);
    assert.equal(await countWrites(cluster, { since, userAgent: 'nobody' }), 0);
  });

  it('answers at once when the cluster runs already', async () => {
    const node = await readRecord(join(layout(FIRST).dir, 'node.pid'));
    // The quickest of three: that the machine was away for a moment says nothing of what there is to do.
    const took: number[] = [];
    let again = cluster;
    for (let times = 0; times < 3; times++) {
      const started = Date.now();
      again = await up(FIRST);
      took.push(Date.now() - started);
    }
    assert.ok(Math.min(...took) < 5000, `took ${took} ms`);
    assert.deepEqual(await readRecord(join(layout(FIRST).dir, 'node.pid')), node, 'it is the same node');
    assert.equal(again.kubeconfig, cluster.kubeconfig);
    assert.equal(await hello(again, 'read', '/data/note'), 'outlives');
  });

  it('is told apart from a cluster of which a program has ended', async () => {
    assert.deepEqual(await endedPrograms(layout(FIRST)), []);
    const record = await readRecord(join(layout(FIRST).dir, 'programs', 'kube-scheduler'));
    assert.ok(record !== undefined);
    const program = await identify((await onlyChild(record.pid)) ?? 0);
    assert.ok(program !== undefined);
    await killRecorded(program);
    await ended(record);
    assert.deepEqual(await endedPrograms(layout(FIRST)), ['kube-scheduler']);
    cluster = await up(FIRST);
    assert.deepEqual(await endedPrograms(layout(FIRST)), []);
    await deployHello(cluster);
  });

  it('runs a second cluster beside it, whose pods reach its node ports', async () => {
    const second = await up(SECOND);
    await deployHello(second);
    assert.equal(await heard(second, await nodePort(cluster)), 'hello from node8\n');
    assert.equal(await heard(cluster, await nodePort(second)), 'hello from node9\n');
    await second.down();
    assert.deepEqual(await remains(SECOND), []);
    assert.equal(await fetched(await nodePort(cluster)), 'hello from node8\n');
  });

  it('leaves nothing behind', async () => {
    await cluster.down();
    assert.deepEqual(await remains(FIRST), []);
    await noProcessNames(layout(FIRST).dir);
    assert.deepEqual(await mountsThatName(layout(FIRST)), []);
  });
});

describe('an interrupted start of the test cluster', { skip, timeout: 1_800_000 }, () => {
  after(async () => await down(FIRST));

  for (const step of ['node.pid', 'containerd.sock', 'kubelet']) {
    it(`is cleared away by \`down\` when it was killed at ${step}`, async () => {
      await killUpAt(step);
      assert.notDeepEqual(await remains(FIRST), []);
      await down(FIRST);
      assert.deepEqual(await remains(FIRST), []);
      await noProcessNames(layout(FIRST).dir);
    });
  }

  it('does not stop the next `up`', async () => {
    await killUpAt('kubelet');
    const cluster = await up(FIRST);
    assert.match(await cluster.kubectl(['get', 'nodes']), /node8 +Ready/);
  });

  it('takes the programs with it that it was waiting for', async () => {
    const script = `import { run } from '${new URL('cluster/command.ts', import.meta.url)}'; await run('sleep', ['7357']);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    const sleeper = await waitFor(async () => {
      const pid = await onlyChild(child.pid ?? 0);
      const record = pid === undefined ? undefined : await identify(pid);
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return command.startsWith('sleep') ? record : undefined;
    });
    child.kill('SIGKILL');
    await ended(sleeper);
  });

  it('never ends a process that has the id of a recorded one but started later', async () => {
    const sleeper = spawn('sleep', ['60']);
    try {
      const record = await identify(sleeper.pid ?? 0);
      assert.ok(record !== undefined && (await isRunning(record)));
      await killRecorded({ ...record, startTime: '1' });
      assert.ok(await isRunning(record));
      await killRecorded(record);
      assert.ok(!(await isRunning(record)));
    } finally {
      sleeper.kill('SIGKILL');
    }
  });
});

async function waitFor<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come within a minute');
}

/** Starts bringing the cluster up in a process of its own and kills that as soon as a file of its state is there. */
async function killUpAt(step: string): Promise<void> {
  await down(FIRST);
  const main = new URL('cluster/main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [main, 'up', String(FIRST)], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const end = Date.now() + 180_000;
  while (!existsSync(join(layout(FIRST).dir, step))) {
    assert.ok(Date.now() < end && child.exitCode === null, `bringing the cluster up never came to ${step}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  child.kill('SIGKILL');
  await ended;
}

/** Not all that changed: other clusters and builds on this machine mount things meanwhile. */
async function mountsThatName({ dir, netns }: Layout): Promise<readonly string[]> {
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n');
  return mounts.filter((line) => line.includes(`${dir}/`) || line.includes(`/${netns} `));
}

/**
 * What entered the node from outside ends after the node has, and a program that was just being started for the killed `up` ends by
 * itself: each a moment later.
 */
async function noProcessNames(folder: string): Promise<void> {
  const end = Date.now() + 90_000;
  for (let left = await processesThatName(folder); left.length > 0; left = await processesThatName(folder)) {
    assert.ok(Date.now() < end, `still there:\n${left.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function processesThatName(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(`${folder}/`)) found.push(`${pid} ${command.replaceAll('\0', ' ')}`);
  }
  return found;
}

async function deployHello(cluster: Cluster): Promise<void> {
  const image = await helloImage();
  await cluster.loadImage(image.archive);
  await apply(cluster, application(image.reference));
  await eventually(cluster, ['rollout', 'status', '-n', 'app', 'deployment/hello', '--timeout=60s'], 120);
}

/** The least of a registry: the one image of an OCI layout, by digest and by any tag, to read. */
async function serveLayout(folder: string, address: string): Promise<Server> {
  const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as {
    manifests: { digest: string; mediaType: string }[];
  };
  const manifest = index.manifests[0];
  assert.ok(manifest !== undefined);
  const server = createServer(async (request, response) => {
    const [, kind, reference] = /\/(manifests|blobs)\/([^/?]+)/.exec(request.url ?? '') ?? [];
    const digest = kind === 'manifests' && reference?.startsWith('sha256:') === false ? manifest.digest : reference;
    const content = await readFile(join(folder, 'blobs', (digest ?? 'none').replace(':', '/'))).catch(() => undefined);
    if (content === undefined) return response.writeHead(404).end();
    const type = kind === 'manifests' ? manifest.mediaType : 'application/octet-stream';
    response.writeHead(200, {
      'content-type': type,
      'content-length': content.length,
      'docker-content-digest': digest ?? '',
    });
    return response.end(request.method === 'HEAD' ? undefined : content);
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return server;
}

/** As the operator's DaemonSet does it: a container that mounts the folder of the node and writes there. */
function hostWriter(image: string, certsDir: string, hosts: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'host-writer', namespace: 'default' },
    spec: {
      restartPolicy: 'Never',
      volumes: [{ name: 'certs', hostPath: { path: `${certsDir}/registry.test`, type: 'DirectoryOrCreate' } }],
      containers: [
        {
          name: 'write',
          image,
          imagePullPolicy: 'Never',
          command: ['/hello', 'write', '/certs/hosts.toml', hosts],
          volumeMounts: [{ name: 'certs', mountPath: '/certs' }],
          securityContext: { runAsUser: 0, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  };
}

function puller(image: string): object {
  const metadata = { name: 'puller', namespace: 'default' };
  const containers = [{ name: 'hello', image, imagePullPolicy: 'Always' }];
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { terminationGracePeriodSeconds: 1, containers } };
}

async function hello(cluster: Cluster, ...args: readonly string[]): Promise<string> {
  return await cluster.kubectl(['exec', '-n', 'app', 'deployment/hello', '--', '/hello', ...args]);
}

/** What a pod hears at an address; kube-proxy leads it to a new pod a moment after that is ready. */
async function heard(cluster: Cluster, url: string): Promise<string> {
  return await eventually(cluster, ['exec', '-n', 'app', 'deployment/hello', '--', '/hello', 'get', url], 60);
}

/** As `heard`, from this machine. */
async function fetched(url: string): Promise<string> {
  return await waitFor(
    async () =>
      await fetch(url).then(
        (answer) => answer.text(),
        () => undefined,
      ),
  );
}

async function nodePort(cluster: Cluster): Promise<string> {
  const path = 'jsonpath={.spec.ports[0].nodePort}';
  const port = await cluster.kubectl(['get', 'service', 'hello', '-n', 'app', '-o', path]);
  return `http://${cluster.nodeIP}:${port}/`;
}

const RESTRICTED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

function application(image: string): readonly object[] {
  const labels = { app: 'hello' };
  const metadata = { name: 'hello', namespace: 'app', labels };
  const enforced = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'app', labels: enforced } },
    claim('data'),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { type: 'NodePort', selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        strategy: { type: 'Recreate' },
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(image, 'data') },
      },
    },
  ];
}

function claim(name: string): object {
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '20Gi' } } };
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name, namespace: 'app' }, spec };
}

function user(claimName: string): object {
  const metadata = { name: claimName, namespace: 'app' };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: podSpec('localhost/ne-registry/hello:1', claimName) };
}

function podSpec(image: string, claimName: string): object {
  return {
    terminationGracePeriodSeconds: 1,
    automountServiceAccountToken: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65532,
      fsGroup: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
    containers: [
      {
        name: 'hello',
        image,
        imagePullPolicy: 'Never',
        env: [
          { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
          { name: 'GREETING', value: 'hello from $(NODE)' },
        ],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
        securityContext: RESTRICTED,
      },
    ],
  };
}
