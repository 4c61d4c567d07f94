/** Two clusters, each with its operator and its Registry, and rules between them. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import bcrypt from 'bcrypt';
import type { ReplicationRuleSpec, ReplicationRuleStatus } from '../../src/operator/replication-rule/resource.ts';
import { farSchedule } from '../programs/far-schedule.ts';
import { BRIDGE } from './cluster/layout.ts';
import {
  type Bed,
  condition,
  eventually,
  type KubeLike,
  layBed,
  namespaceObject,
  operatorWrites,
  pushHello,
  type RegistryLike,
  registryObject,
  runPod,
} from './registry/setup.ts';
import { namespace, registryName, Site } from './replication/site.ts';
import { type SlowLine, slowLine } from './replication/slow-line.ts';

const numbers = [2, 5] as const;
const host = 'main.registry.example';
/** Small on a machine that is shared; NE_LAG_PUSHES=200 is what the figures in the documentation are from. */
const lagPushes = Number(process.env.NE_LAG_PUSHES ?? 40);
const layerBytes = 5_000_000;
/** While the other side is down. */
const outagePushes = 100;

let a: Site;
let b: Site;
let line: SlowLine;
/** Whom the rules come as: a user of the other Registry's own file, and no administrator. */
const user = { name: 'replicator', password: randomBytes(18).toString('base64url') };

before(
  async () => {
    a = await raise(numbers[0]);
    b = await raise(numbers[1]);
  },
  { timeout: 2_400_000 },
);
after(async () => {
  await line?.close();
  for (const site of [a, b]) {
    await site?.close();
    await site?.bed.cluster.down();
  }
});

async function raise(number: number): Promise<Site> {
  const bed = await layBed(number);
  const htpasswd = `${user.name}:${await bcrypt.hash(user.password, 10)}\n`;
  await bed.apply(namespaceObject(namespace, { 'pod-security.kubernetes.io/enforce': 'privileged' }));
  await bed.apply(
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'users', namespace }, stringData: { htpasswd } },
    registryObject(namespace, registryName, {
      nodeAccess: { mode: 'Configure' },
      auth: { htpasswd: { secretRef: { name: 'users' } } },
      // Where the slow line to it listens, so that its certificate is good for it.
      externalURLs: [`https://${BRIDGE.address}`],
    }),
  );
  await condition(bed, [namespace, registryName], ['NodeAccessReady', 'True'], 300);
  await condition(bed, [namespace, registryName], ['Ready', 'True'], 300);
  return await Site.open(bed);
}

interface RuleLike extends KubeLike {
  readonly status: ReplicationRuleStatus;
}

/** A rule in the cluster of `from`, with all that it takes to reach the Registry of `to` under `authority`. */
async function addRule(
  name: string,
  [from, to]: readonly [Site, Site],
  { authority = to.door.authority, ...spec }: Partial<ReplicationRuleSpec> & { authority?: string } = {},
): Promise<void> {
  const target = await to.bed.read<RegistryLike>('registry', registryName, namespace);
  const auths = { [authority]: { username: user.name, password: user.password } };
  await from.bed.apply(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      type: 'kubernetes.io/dockerconfigjson',
      stringData: { '.dockerconfigjson': JSON.stringify({ auths }) },
    },
    {
      apiVersion: 'ne-registry.io/v1alpha1',
      kind: 'ReplicationRule',
      metadata: { name, namespace },
      spec: {
        source: `registry://${registryName}/team/*`,
        targets: [`${authority}/team`],
        connections: [{ host: authority, secretRef: { name }, caBundle: target?.status.caBundle }],
        schedule: farSchedule(),
        ...spec,
      },
    },
  );
}

async function standing(bed: Bed, name: string, type: string): Promise<string> {
  const rule = await bed.read<RuleLike>('replicationrule', name, namespace);
  const found = rule?.status.conditions?.find((each) => each.type === type);
  return `${found?.status} ${found?.reason}`;
}

async function ruleIs(bed: Bed, name: string, type: string, status: string): Promise<void> {
  let seen = '';
  await eventually(`${name} to be ${type}=${status}`, 240, async () => {
    seen = JSON.stringify((await bed.read<RuleLike>('replicationrule', name, namespace))?.status);
    return (await standing(bed, name, type)).startsWith(`${status} `);
  }).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}: ${seen}`, { cause: error });
  });
}

/** Milliseconds until the tag is at the other site, from when its push was acknowledged. */
async function lag(tag: string): Promise<number> {
  const digest = await a.push('team/lag', tag, layerBytes);
  const pushed = performance.now();
  for (;;) {
    if ((await b.digest('team/lag', tag)) === digest) return performance.now() - pushed;
    if (performance.now() - pushed > 60_000) throw new Error(`${tag} did not arrive within a minute`);
    await sleep(10);
  }
}

async function lags(prefix: string): Promise<{ median: number; p99: number; text: string }> {
  const seen: number[] = [];
  for (let each = 0; each < lagPushes; each++) seen.push(await lag(`${prefix}-${each}`));
  seen.sort((one, other) => one - other);
  const at = (part: number) => Math.round(seen[Math.min(seen.length - 1, Math.floor(seen.length * part))] ?? 0);
  const [median, p99] = [at(0.5), at(0.99)];
  return { median, p99, text: `${lagPushes} pushes of 5 MB: median ${median} ms, p99 ${p99} ms, worst ${at(1)} ms` };
}

/** Nothing listens to it meanwhile: the pod is gone, and the operator does not bring it back. */
async function takeDown(site: Site): Promise<void> {
  const merge = ['--type=merge', '-p', JSON.stringify({ spec: { suspend: true } })];
  await site.bed.cluster.kubectl(['patch', '-n', namespace, `registry/${registryName}`, ...merge]);
  await site.bed.cluster.kubectl(['scale', '-n', namespace, `statefulset/${registryName}`, '--replicas=0']);
  await eventually('the pod to be gone', 240, async () => {
    return (await site.bed.read('pod', `${registryName}-0`, namespace)) === undefined;
  });
}

async function bringBack(site: Site): Promise<void> {
  const merge = ['--type=merge', '-p', JSON.stringify({ spec: { suspend: false } })];
  await site.bed.cluster.kubectl(['patch', '-n', namespace, `registry/${registryName}`, ...merge]);
  // Its status still says how it was before it went down, until the operator has looked again.
  await eventually('the pod to be back', 240, async () => {
    const seen = await site.bed.read<RegistryLike & { metadata: { generation: number } }>(
      'registry',
      registryName,
      namespace,
    );
    const ready = seen?.status.conditions?.find(({ type }) => type === 'Ready');
    const told = ready?.status === 'True' && ready.observedGeneration === seen?.metadata.generation;
    return told && seen?.status.replicas?.ready === 1;
  });
  await eventually('its node port to lead there', 60, () => site.tags('team/hello').then(() => true));
}

describe('between Registries of one cluster', { timeout: 3_600_000 }, () => {
  const far = ['far', 'copy'] as const;

  test('a rule names the other by registry://, and needs no Secret of anybody’s', async () => {
    await a.bed.apply(namespaceObject(far[0], { 'pod-security.kubernetes.io/enforce': 'privileged' }));
    await a.bed.apply(registryObject(...far, { nodeAccess: { mode: 'Configure' } }));
    await condition(a.bed, far, ['Ready', 'True'], 300);
    const spec = { source: `registry://${registryName}/shared/*`, targets: ['registry://copy.far/shared'] };
    const rule = {
      apiVersion: 'ne-registry.io/v1alpha1',
      kind: 'ReplicationRule',
      metadata: { name: 'near', namespace },
      spec,
    };
    await a.bed.apply(rule);
    await ruleIs(a.bed, 'near', 'Ready', 'False');
    assert.equal(await standing(a.bed, 'near', 'Ready'), 'False RegistryNotFound', 'not admitted yet');

    const admitted = `ne-registry.io/replication-namespaces=${namespace}`;
    await a.bed.cluster.kubectl(['annotate', '-n', far[0], `registry/${far[1]}`, admitted]);
    await ruleIs(a.bed, 'near', 'Ready', 'True');
    const digest = await a.push('shared/app', '1', 300_000);
    const copy = await Site.open(a.bed, far);
    try {
      await eventually('the image there', 180, async () => (await copy.digest('shared/app', '1')) === digest);
      await copy.verify('shared/app', '1');

      // Its password is rotated by deleting it.
      await a.bed.cluster.kubectl(['delete', 'secret', '-n', far[0], 'copy-replication']);
      await eventually('another password', 180, () => a.bed.read('secret', 'copy-replication', far[0]));
      const next = await a.push('shared/app', '2', 300_000);
      await eventually('the next image there', 240, async () => (await copy.digest('shared/app', '2')) === next);
    } finally {
      await copy.close();
    }
    const user = await a.bed.read<KubeLike>('secret', 'copy-replication', far[0]);
    assert.equal(Buffer.from(user?.data?.username ?? '', 'base64').toString(), 'ne-replication');
    await a.bed.cluster.kubectl(['delete', '-n', namespace, 'replicationrule/near']);
    await eventually('its user to go with it', 180, async () => {
      return (await a.bed.read('secret', 'copy-replication', far[0])) === undefined;
    });
    await a.bed.cluster.kubectl(['delete', 'namespace', far[0], '--wait=false']);
  });
});

describe('from A to B', { timeout: 3_600_000 }, () => {
  test('a push to A is pulled by a Pod in B', async () => {
    await addRule('to-b', [a, b]);
    await ruleIs(a.bed, 'to-b', 'Ready', 'True');
    await pushHello(a.door, 'team/hello:1');
    await eventually('the image at B', 180, async () => await b.digest('team/hello', '1'));
    await runPod(b.bed, b.door, { host, repository: 'team/hello:1' });
    await ruleIs(a.bed, 'to-b', 'InSync', 'True');
    assert.deepEqual(await b.tags('team/hello'), await a.tags('team/hello'));
  });

  test('how long a push takes to arrive', async (t) => {
    const { p99, text } = await lags('near');
    t.diagnostic(text);
    assert.ok(p99 < 30_000, text);
    await b.verify('team/lag', 'near-0');
  });

  test('how long it takes over a line of 50 ms', async (t) => {
    const [address = '', port = ''] = b.door.authority.split(':');
    line = await slowLine(BRIDGE.address, [address, Number(port)]);
    line.delayMs = 25;
    await addRule('to-b', [a, b], { authority: line.authority });
    await ruleIs(a.bed, 'to-b', 'InSync', 'True');
    const { p99, text } = await lags('far');
    t.diagnostic(text);
    assert.ok(p99 < 30_000, text);
    await addRule('to-b', [a, b]);
    await ruleIs(a.bed, 'to-b', 'InSync', 'True');
  });

  test('what is pushed while B is down arrives when it is back, with no one’s help, and the lag rose meanwhile', async (t) => {
    await takeDown(b);
    const pushed: Record<string, string> = {};
    for (let each = 0; each < outagePushes; each++)
      pushed[`down-${each}`] = await a.push('team/outage', `down-${each}`, 200_000);
    await ruleIs(a.bed, 'to-b', 'InSync', 'False');
    await sleep(5000);
    const lagSeconds = await a.metric('ne_replication_lag_seconds');
    assert.ok(lagSeconds >= 5, `the lag is ${lagSeconds} s`);
    await bringBack(b);
    const back = Date.now();
    await eventually(
      'all of them at B',
      600,
      async () => Object.keys(await b.tags('team/outage')).length === outagePushes,
    );
    t.diagnostic(`in step ${Math.round((Date.now() - back) / 1000)} s after B was ready again`);
    assert.deepEqual(await b.tags('team/outage'), pushed);
    await b.verify('team/outage', `down-${outagePushes - 1}`);
    await ruleIs(a.bed, 'to-b', 'InSync', 'True');
    assert.equal(await a.metric('ne_replication_lag_seconds'), 0);
  });
});

describe('between A and B', { timeout: 2_400_000 }, () => {
  const repositories = ['team/hello', 'team/both', 'team/outage'];

  test('both converge, and then are silent', async () => {
    await addRule('to-a', [b, a]);
    await ruleIs(b.bed, 'to-a', 'Ready', 'True');
    const fromA = await a.push('team/both', 'from-a', 100_000);
    const fromB = await b.push('team/both', 'from-b', 100_000);
    // Neither saw the other: the same one stands on both sides.
    await Promise.all([a.push('team/both', 'contended', 100_000), b.push('team/both', 'contended', 100_000)]);
    await eventually('both sides to be equal', 240, async () => {
      const [one, other] = [await a.tags('team/both'), await b.tags('team/both')];
      return Object.keys(one).length === 3 && JSON.stringify(one) === JSON.stringify(other);
    });
    assert.equal(await b.digest('team/both', 'from-a'), fromA);
    assert.equal(await a.digest('team/both', 'from-b'), fromB);
    await Promise.all([ruleIs(a.bed, 'to-b', 'InSync', 'True'), ruleIs(b.bed, 'to-a', 'InSync', 'True')]);
    for (const repository of repositories) assert.deepEqual(await b.tags(repository), await a.tags(repository));

    const sent = () => Promise.all([a, b].map((site) => site.metric('ne_replication_transferred_bytes_total')));
    const said = async (since: Date) => {
      const writes = await Promise.all([a, b].map(({ bed }) => operatorWrites(bed, since)));
      return writes.flat().filter(({ resource }) => resource.startsWith('replicationrules'));
    };
    // What the operators still have to say of this they say with their next look, which is within a quarter of a minute or so.
    await eventually('all of it to be said', 240, async () => {
      const [since, before] = [new Date(), await sent()];
      await sleep(25_000);
      return (await said(since)).length === 0 && JSON.stringify(await sent()) === JSON.stringify(before);
    });
    const [since, before] = [new Date(), await sent()];
    await sleep(30_000);
    assert.deepEqual(await sent(), before);
    assert.deepEqual(await said(since), []);
  });

  test('a rule goes at once though its other end is dead, and so does its work', async () => {
    await takeDown(b);
    const began = Date.now();
    await a.bed.cluster.kubectl(['delete', '-n', namespace, 'replicationrule/to-b', '--wait', '--timeout=20s']);
    assert.ok(Date.now() - began < 20_000);
    await eventually('A to forget it', 60, async () => (await a.metric('ne_replication_lag_seconds')) === 0);
    await a.push('team/late', '1', 1000);
    await bringBack(b);
    await sleep(10_000);
    assert.equal(await b.digest('team/late', '1'), undefined);
  });
});
