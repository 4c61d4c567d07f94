/** Retention on a real cluster: a policy pasted from ECR, what runs and may run again, other clusters, approval. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { RetentionPolicySpec, RetentionPolicyStatus } from '../../src/operator/retention-policy/resource.ts';
import { run } from './cluster/command.ts';
import { HELM } from './cluster/programs.ts';
import { goTool } from './cluster/tools.ts';
import {
  type Bed,
  condition,
  type Door,
  eventually,
  type KubeLike,
  layBed,
  namespaceObject,
  openDoor,
  operatorNamespace,
  operatorWrites,
  pushHello,
  registryObject,
} from './registry/setup.ts';
import { Client } from './retention/client.ts';
import { cronJob, deployment, rollOut, statefulSet } from './retention/workloads.ts';

const number = 7;
const chart = fileURLToPath(new URL('../../charts/ne-registry', import.meta.url));
const host = 'main.registry.example';
const repository = 'shop/web';
const image = (version: number) => `${host}/${repository}:v${version}`;
const versions = Array.from({ length: 300 }, (_, at) => `v${at + 1}`);

let bed: Bed;
let door: Door;
let client: Client;
let digests: Map<string, string>;

before(
  async () => {
    bed = await layBed(number);
    await bed.apply(namespaceObject('registry'), namespaceObject('shop'), namespaceObject('edge'));
    // What nodes pull they pull as anybody.
    await bed.apply(
      registryObject('registry', 'main', {
        nodeAccess: { mode: 'Configure' },
        auth: { anonymous: 'Pull' },
        inUse: { clusters: [{ name: 'local' }, { name: 'edge' }], staleAfter: '30s' },
      }),
    );
    await condition(bed, ['registry', 'main'], ['Ready', 'True'], 240);
    door = await openDoor(bed, 'registry', 'main');
    client = await Client.for(door);
    await pushHello(door, `${repository}:base`);
    digests = await client.pushLike(repository, 'base', versions);
  },
  { timeout: 1_200_000 },
);
after(async () => {
  client?.close();
  await door?.close();
  await bed?.cluster.down();
});

/** As somebody has it in ECR. */
function ecrPolicy(keep: number): string {
  return `{
    "rules": [
        {
            "rulePriority": 1,
            "description": "Keep only the last ${keep} releases",
            "selection": {
                "tagStatus": "tagged",
                "tagPatternList": ["v*"],
                "countType": "imageCountMoreThan",
                "countNumber": ${keep}
            },
            "action": {
                "type": "expire"
            }
        }
    ]
}`;
}

type Policy = KubeLike & { spec: RetentionPolicySpec; status: RetentionPolicyStatus };

async function applyPolicy(spec: Partial<RetentionPolicySpec>): Promise<void> {
  const kind = { apiVersion: 'ne-registry.io/v1alpha1', kind: 'RetentionPolicy' };
  const metadata = { name: 'releases', namespace: 'registry' };
  await bed.apply({ ...kind, metadata, spec: { repositories: { include: [repository] }, ...spec } });
  await policyCondition('Ready', 'True');
}

async function policy(): Promise<Policy> {
  const found = await bed.read<Policy>('retentionpolicy', 'releases', 'registry');
  if (found === undefined) throw new Error('the policy is gone');
  return found;
}

/** Waits for a condition of the policy's newest generation, or for there to be none of the type. */
async function policyCondition(type: string, status: string | undefined, seconds = 180): Promise<string> {
  let seen = '';
  try {
    return await eventually(`${type}=${status}`, seconds, async () => {
      const { status: all, metadata } = await policy();
      seen = JSON.stringify(all.conditions);
      if (all.observedGeneration !== (metadata as { generation?: number }).generation) return undefined;
      const found = all.conditions?.find((each) => each.type === type);
      return found?.status === status ? `${found?.reason}: ${found?.message}` : undefined;
    });
  } catch (error) {
    throw new Error(`${(error as Error).message}; conditions: ${seen}`, { cause: error });
  }
}

/** When the registry last evaluated by itself or because it was told to, milliseconds; what the status says comes later. */
async function evaluatedAt(): Promise<number> {
  const { body } = await client.send('GET', '/admin/v1/rules/retention/releases');
  const { state } = JSON.parse(body.toString()) as { state?: { lastEvaluation?: string } };
  return Date.parse(state?.lastEvaluation ?? '1970-01-01T00:00:00Z');
}

/** Asks for an evaluation, and gives the status after it. */
async function evaluate(): Promise<RetentionPolicyStatus> {
  const before = await evaluatedAt();
  // The status leaves out parts of seconds.
  await sleep(1100);
  const asked = `ne-registry.io/reconcile-at=${Date.now()}`;
  await bed.cluster.kubectl(['annotate', '--overwrite', '-n', 'registry', 'retentionpolicy/releases', asked]);
  return await eventually('the evaluation', 180, async () => {
    const { status } = await policy();
    return Date.parse(status.lastEvaluation ?? '') > before ? status : undefined;
  });
}

/** Versions from the newest, less those that are kept though they are old. */
function expected(newest: number, kept: readonly number[]): string[] {
  const isKept = (version: number) => version > 300 - newest || kept.includes(version);
  return versions.filter((_, at) => isKept(at + 1));
}

async function versionsLeft(): Promise<string[]> {
  const left = new Set(await client.tags(repository));
  return versions.filter((version) => left.has(version));
}

/** The operator of another cluster, which sees one namespace of this one. */
async function installEdge(values: Record<string, string>): Promise<void> {
  const settings = Object.entries({
    'image.repository': bed.image.replace(/:[^:/]+$/, ''),
    'image.tag': bed.image.replace(/^.*:/, ''),
    'crds.enabled': 'false',
    ...values,
  }).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const release = ['upgrade', '--install', 'edge', chart, '-n', 'edge-system', '--create-namespace'];
  await run(await goTool(HELM), [...release, ...settings, '--wait', '--timeout', '300s'], {
    env: { KUBECONFIG: bed.cluster.kubeconfig },
  });
}

async function explain(version: number): Promise<{ action: string; reason: string; usedBy?: string }> {
  return await client.retention('explain', `${repository}:v${version}`);
}

describe('retention', { timeout: 3_600_000 }, () => {
  test('a workload, its rollback history, a CronJob and one that is scaled to zero are there', async () => {
    await rollOut(bed, 'shop', 'web', [image(10), image(20), image(30)]);
    await bed.apply(cronJob('shop', 'nightly', image(40)), statefulSet('shop', 'db', image(50)));
    await bed.apply(deployment('edge', 'branch', { image: image(60), replicas: 0 }));
  });

  test('nothing expires before each cluster has reported once, and a condition says which has not', async () => {
    await applyPolicy({ lifecyclePolicyText: ecrPolicy(50), mode: 'Enforce' });
    assert.match(await policyCondition('WaitingForInventory', 'True'), /edge/);
    await evaluate();
    assert.deepEqual(await versionsLeft(), versions);
  });

  test('another cluster reports with the Secret that was carried there, for the namespaces that its operator sees', async () => {
    await applyPolicy({ lifecyclePolicyText: ecrPolicy(50), mode: 'Approve' });
    const secret = await bed.read<KubeLike>('secret', 'main-reporter-edge', 'registry');
    await bed.apply(namespaceObject('edge-system'));
    // Here the name that clients know leads nowhere; the one inside the cluster does.
    const url = Buffer.from('https://main.registry.svc').toString('base64');
    const metadata = { name: 'hub', namespace: 'edge-system' };
    await bed.apply({ apiVersion: 'v1', kind: 'Secret', metadata, data: { ...secret?.data, url } });
    await installEdge({ 'watchNamespaces[0]': 'edge', 'inventory.reportTo[0]': 'edge-system/hub' });
    await policyCondition('WaitingForInventory', undefined);
    // A plan is of what was reported when it was made: what the operator here saw first may not have been all of it.
    for (const version of [10, 20, 30, 40, 50]) {
      await eventually(`v${version} in a report`, 120, async () => (await explain(version)).action === 'KEEP');
    }
    const { inUse } = await evaluate();
    const [local, edge] = ['local', 'edge'].map((name) => inUse?.clusters?.find((each) => each.name === name));
    assert.deepEqual(
      [local?.stale, local?.namespaces, edge?.stale, edge?.namespaces],
      [false, undefined, false, ['edge']],
    );
  });

  test('who uses an image, and that it stays for that, is what explain says', async () => {
    const users = {
      10: 'shop/web',
      20: 'shop/web',
      30: 'shop/web',
      40: 'shop/nightly',
      50: 'shop/db',
      60: 'edge/branch',
    };
    for (const [version, user] of Object.entries(users)) {
      const said = await explain(Number(version));
      assert.equal(said.action, 'KEEP');
      assert.ok(JSON.stringify(said).includes(user), JSON.stringify(said));
    }
    assert.equal((await explain(70)).action, 'EXPIRE');
  });

  test('a plan waits for approval; an unknown hash does nothing, nor does that of a plan that was replaced', async () => {
    const first = (await policy()).status.plan;
    assert.equal(first?.expiring, 244);
    assert.equal(first?.images?.length, 100);
    assert.equal(first?.blockedInUse, 6);
    const unknown = `sha256:${'0'.repeat(64)}`;
    await applyPolicy({ lifecyclePolicyText: ecrPolicy(50), mode: 'Approve', approvedPlan: unknown });
    await policyCondition('ApprovalUnknown', 'True');
    await applyPolicy({ lifecyclePolicyText: ecrPolicy(55), mode: 'Approve' });
    await eventually('another plan', 180, async () => (await policy()).status.plan?.hash !== first?.hash);
    await applyPolicy({ lifecyclePolicyText: ecrPolicy(55), mode: 'Approve', approvedPlan: first?.hash ?? '' });
    await policyCondition('ApprovalExpired', 'True');
    assert.deepEqual(await versionsLeft(), versions);
  });

  test('an approved plan is carried out, less what came in use meanwhile', async () => {
    const plan = (await policy()).status.plan;
    assert.equal(plan?.expiring, 239);
    await bed.apply(cronJob('shop', 'late', image(100)));
    await eventually('it to be in use', 180, async () => JSON.stringify(await explain(100)).includes('shop/late'));
    await applyPolicy({ lifecyclePolicyText: ecrPolicy(55), mode: 'Approve', approvedPlan: plan?.hash ?? '' });
    const left = expected(55, [10, 20, 30, 40, 50, 60, 100]);
    await eventually('the images to go', 240, async () => (await versionsLeft()).length <= left.length);
    assert.deepEqual(await versionsLeft(), left);
    await eventually('the total', 180, async () => (await policy()).status.totals?.expired === 238);
  });

  test('what expired comes back by its exact digest', async () => {
    await client.retention('restore', `${repository}:v99`);
    const { status, body } = await client.send('GET', `/v2/${repository}/manifests/v99`, {
      headers: { accept: '*/*' },
    });
    assert.equal(status, 200, body.toString());
    const wanted = `/v2/${repository}/manifests/${digests.get('v99')}`;
    assert.deepEqual((await client.send('GET', wanted, { headers: { accept: '*/*' } })).body, body);
  });

  test('a rollback to an old image runs', async () => {
    await bed.cluster.kubectl(['rollout', 'undo', '-n', 'shop', 'deployment/web', '--to-revision=1']);
    await bed.cluster.kubectl(['rollout', 'status', '-n', 'shop', 'deployment/web', '--timeout=120s']);
  });

  test('with the operator of a cluster stopped, what it ran and what was pulled since stays, the rest expires, and a condition says so', async () => {
    await bed.cluster.kubectl(['scale', '-n', 'edge-system', 'deployment', '--all', '--replicas=0']);
    await bed.cluster.kubectl(['wait', '-n', 'edge-system', '--for=delete', 'pod', '--all', '--timeout=180s']);
    // From now on nobody but the last report of that operator knows of it.
    await bed.cluster.kubectl(['delete', '-n', 'edge', 'deployment/branch']);
    const pulled = await client.send('GET', `/v2/${repository}/manifests/v270`, { headers: { accept: '*/*' } });
    assert.equal(pulled.status, 200);
    assert.match(await policyCondition('InventoryStale', 'True', 240), /edge/);
    await applyPolicy({ lifecyclePolicyText: ecrPolicy(20), mode: 'Enforce' });
    await evaluate();
    // v99 was pulled a moment ago, by this test.
    const left = expected(20, [10, 20, 30, 40, 50, 60, 99, 100, 270]);
    await eventually('the rest to go', 180, async () => (await versionsLeft()).length <= left.length);
    assert.deepEqual(await versionsLeft(), left);
    assert.match(JSON.stringify(await explain(60)), /edge/);
    const { status } = await policy();
    const ready = status.conditions?.find(({ type }) => type === 'Ready');
    assert.deepEqual([ready?.status, /InventoryStale/.test(ready?.message ?? '')], ['True', true]);
    assert.equal(status.inUse?.clusters?.find(({ name }) => name === 'edge')?.stale, true);
  });

  test('it is fresh again when that operator is back', async () => {
    await bed.cluster.kubectl(['scale', '-n', 'edge-system', 'deployment', '--all', '--replicas=1']);
    await policyCondition('InventoryStale', undefined, 240);
  });

  test('with its own operator stopped the registry goes on as of the last report', async () => {
    const scale = (replicas: number) =>
      bed.cluster.kubectl(['scale', '-n', operatorNamespace, 'deployment', '--all', `--replicas=${replicas}`]);
    const { lastEvaluation } = (await policy()).status;
    await scale(0);
    await bed.cluster.kubectl(['wait', '-n', operatorNamespace, '--for=delete', 'pod', '--all', '--timeout=180s']);
    await bed.cluster.kubectl(['delete', '-n', 'shop', 'cronjob/nightly']);
    await eventually('its report to be stale', 240, async () => {
      const { body } = await client.send('GET', '/admin/v1/inventories');
      const { clusters } = JSON.parse(body.toString()) as { clusters: { name: string; stale: boolean }[] };
      return clusters.some(({ name, stale }) => name === 'local' && stale);
    });
    const asked = await client.send('POST', '/admin/v1/rules/retention/releases/run');
    assert.equal(asked.status, 202);
    await eventually('the registry to evaluate by itself', 120, async () => {
      const { body } = await client.send('GET', '/admin/v1/rules/retention/releases');
      const { state } = JSON.parse(body.toString()) as { state: { lastEvaluation: string } };
      // With parts of seconds, which the status leaves out.
      return Date.parse(state.lastEvaluation) >= Date.parse(lastEvaluation ?? '') + 1000;
    });
    assert.ok((await versionsLeft()).includes('v40'), 'what the last report names stays');
    await scale(1);
    await eventually(
      'the operator to tell of it',
      240,
      async () => (await policy()).status.lastEvaluation !== lastEvaluation,
    );
    await policyCondition('InventoryStale', undefined, 240);
  });

  test('while nothing changes, policies and reports cause no write', async () => {
    await eventually('a while without a write', 300, async () => {
      return (await operatorWrites(bed, new Date(Date.now() - 40_000))).length === 0;
    });
    const before = await policy();
    const since = new Date();
    await sleep(75_000);
    assert.deepEqual((await policy()).status, before.status);
    assert.deepEqual(await operatorWrites(bed, since), []);
  });

  test('a policy that is wrong says so with rule and field; one that is deleted is forgotten', async () => {
    const twice = ecrPolicy(50).replace('"countNumber": 50', '"countNumber": 50, "countUnit": "days"');
    const kind = { apiVersion: 'ne-registry.io/v1alpha1', kind: 'RetentionPolicy' };
    const metadata = { name: 'releases', namespace: 'registry' };
    await bed.apply({
      ...kind,
      metadata,
      spec: { repositories: { include: [repository] }, lifecyclePolicyText: twice },
    });
    assert.match(await policyCondition('Stalled', 'True'), /rulePriority 1.*countUnit/);
    await bed.cluster.kubectl(['delete', '-n', 'registry', 'retentionpolicy/releases', '--timeout=180s']);
    await eventually('the rule to go', 180, async () => {
      return (await client.send('GET', '/admin/v1/rules/retention/releases')).status === 404;
    });
  });
});
