/** The reconciler of ReplicationRules against a real API server; the registry is a stand-in, so that it says what it is told to. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Cache } from '../../../src/operator/kube/cache.ts';
import type { KubeObject } from '../../../src/operator/kube/object.ts';
import { encode } from '../../../src/operator/registry/children/secret.ts';
import type { Pod } from '../../../src/operator/registry/health.ts';
import { childLabels } from '../../../src/operator/registry/names.ts';
import { type RegistryResource, registryKind } from '../../../src/operator/registry/resource.ts';
import { registryClients } from '../../../src/operator/registry-client/clients.ts';
import { replicationRuleReconciler } from '../../../src/operator/replication-rule/reconcile.ts';
import { type ReplicationRuleResource, replicationRuleKind } from '../../../src/operator/replication-rule/resource.ts';
import type { EventInput } from '../../../src/operator/runtime/events.ts';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { startWithDefinitions } from '../crds/server.ts';
import { type CountingClient, collectingLog, countingClient, eventually } from '../kube/setup.ts';
import { type StandIn, standIn } from './registry-stand-in.ts';

/** Addresses of the loopback network that no other test listens on. */
let last = 10;
const target = 'registry.example.com/myorg/app';
const done = { target, lastSuccess: '2026-11-22T08:00:00Z', pending: 0, failed: 0, bytesTransferred: 5 };
const inStep = ({ generation }: { generation: number }) => ({ generation, targets: [done], lastPlan: { copy: 0 } });

let api: BareApiServer;
let kube: CountingClient;
let rules: Cache<ReplicationRuleResource>;
let registries: Cache<RegistryResource>;
before(async () => {
  api = await startWithDefinitions();
  kube = countingClient(api);
  rules = new Cache(kube.client, { ...replicationRuleKind, log: collectingLog() });
  registries = new Cache(kube.client, { ...registryKind, log: collectingLog() });
  for (const cache of [rules, registries]) cache.start();
  await Promise.all([rules.synced(), registries.synced()]);
});
after(async () => {
  await Promise.all([rules?.stop(), registries?.stop()]);
  kube?.close();
  await api?.stop();
});

/** A namespace with a Registry and an operator that looks after the rules in it. */
async function world(namespace: string) {
  const stand = await standIn(`127.0.88.${last++}`, `${namespace}/main`);
  await create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await create(secret(namespace, 'main-keys', { 'admin.key': stand.key }));
  await create(registryNamed('main', namespace));
  const said: EventInput[] = [];
  let time = Date.parse('2026-11-22T09:00:00Z');
  const reconcile = replicationRuleReconciler({
    client: kube.client,
    rules,
    registries,
    clientOf: registryClients({ client: kube.client, pods: { list: () => [pod(namespace, stand)] }, knownForMs: 0 }),
    events: { record: (_regarding, event) => void said.push(event) },
    now: () => new Date(time),
  });
  return {
    namespace,
    stand,
    said,
    pass: (ms: number) => {
      time += ms;
    },
    /** Lets the operator look once at the newest version of the rule, and gives what came of it. */
    look: async () => {
      const live = await newest(namespace);
      await eventually('the cache has heard', () => {
        return rules.get(namespace, 'mirror')?.metadata.resourceVersion === live.metadata.resourceVersion;
      });
      await reconcile({ namespace, name: 'mirror' }, new AbortController().signal);
      return await newest(namespace);
    },
    [Symbol.asyncDispose]: async () => await stand[Symbol.asyncDispose](),
  };
}

async function newest(namespace: string): Promise<ReplicationRuleResource> {
  const ref = { ...replicationRuleKind, name: 'mirror', namespace };
  return (await kube.client.get<ReplicationRuleResource>(ref)) ?? assert.fail('the rule is gone');
}

async function create(object: KubeObject): Promise<void> {
  await kube.client.create(object);
  const { namespace, name } = object.metadata;
  if (object.kind === 'Registry') await eventually('the cache to know', () => registries.get(namespace, name));
}

async function addRule(namespace: string, spec: object = {}): Promise<void> {
  const whole = { source: 'ghcr.io/myorg/app', targets: [target], schedule: '0 */6 * * *', ...spec };
  await kube.client.apply({ ...replicationRuleKind, metadata: { name: 'mirror', namespace }, spec: whole });
}

function registryNamed(name: string, namespace: string): KubeObject {
  return { ...registryKind, metadata: { name, namespace }, spec: { host: `${name}.example`, tls: { disabled: true } } };
}

function secret(namespace: string, name: string, values: Record<string, string>): KubeObject {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, data: encode(values) };
}

function pod(namespace: string, { address }: StandIn): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'main-0', namespace, labels: childLabels('main') },
    status: { podIP: address, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

/** `Ready=True InForce` and so on. */
function conditions({ status }: ReplicationRuleResource): string[] {
  return (status?.conditions ?? []).map(({ type, status: is, reason }) => `${type}=${is} ${reason}`);
}

const login = (password: string) => ({
  '.dockerconfigjson': JSON.stringify({ auths: { 'ghcr.io': { username: 'ann', password } } }),
});

describe('a ReplicationRule', () => {
  test('of three lines works in a namespace with one Registry, and says how far it is', async () => {
    await using here = await world('three-lines');
    here.stand.state = inStep;
    await addRule('three-lines');
    const rule = await here.look();
    const { uid, generation } = rule.metadata;
    assert.deepEqual(here.stand.rules.get('mirror'), { uid, generation, spec: rule.spec, connections: [] });
    assert.deepEqual(conditions(rule), ['InSync=True InStep', 'Ready=True InForce']);
    assert.equal(rule.status?.observedGeneration, generation);
    assert.deepEqual(rule.status?.targets, [done]);
    assert.equal(rule.metadata.finalizers, undefined);
    assert.deepEqual(here.said.map(({ type, reason }) => `${type} ${reason}`).sort(), [
      'Normal InForce',
      'Normal InStep',
    ]);
  });

  test('that is in step is looked at a hundred times without a write to anyone', async () => {
    await using here = await world('idle');
    here.stand.state = inStep;
    await addRule('idle');
    await here.look();
    here.stand.asked.length = 0;
    const before = kube.writes();
    for (let look = 0; look < 100; look++) await here.look();
    assert.equal(kube.writes(), before);
    assert.deepEqual([...new Set(here.stand.asked)], ['GET /admin/v1/rules/replication/mirror']);
  });

  test('waits for a Secret, is sent again when that changes, and never shows it', async () => {
    await using here = await world('secrets');
    here.stand.state = inStep;
    await addRule('secrets', { connections: [{ host: 'ghcr.io', secretRef: { name: 'pull' } }] });
    assert.deepEqual(conditions(await here.look()), ['Ready=False SecretMissing', 'Reconciling=True SecretMissing']);
    assert.equal(here.stand.rules.size, 0);

    const [first, second] = [randomBytes(9).toString('hex'), randomBytes(9).toString('hex')];
    await create(secret('secrets', 'pull', login(first)));
    assert.deepEqual(conditions(await here.look()), ['InSync=True InStep', 'Ready=True InForce']);
    const sent = () => here.stand.rules.get('mirror')?.connections;
    assert.deepEqual(sent(), [{ host: 'ghcr.io', username: 'ann', password: first }]);

    await kube.client.apply(secret('secrets', 'pull', login(second)));
    const rule = await here.look();
    assert.deepEqual(sent(), [{ host: 'ghcr.io', username: 'ann', password: second }]);
    assert.ok(!JSON.stringify([rule, here.said]).includes(first));
    assert.ok(!JSON.stringify([rule, here.said]).includes(second));
  });

  test('that two Registries could carry out asks for a decision', async () => {
    await using here = await world('ambiguous');
    await create(registryNamed('other', 'ambiguous'));
    await addRule('ambiguous');
    const rule = await here.look();
    assert.deepEqual(conditions(rule), ['Ready=False RegistryAmbiguous', 'Reconciling=True RegistryAmbiguous']);
    await addRule('ambiguous', { registryRef: { name: 'main' } });
    here.stand.state = () => ({ generation: 1 });
    assert.deepEqual(conditions(await here.look()), ['Ready=Unknown Applying', 'Reconciling=True Applying']);
    here.stand.state = ({ generation }) => ({ generation });
    assert.deepEqual(conditions(await here.look()), ['InSync=Unknown NotCompared', 'Ready=True InForce']);
  });

  test('gets what the worker has trouble with as conditions and events', async () => {
    await using here = await world('trouble');
    const failures = [{ reference: 'myorg/app:1', reason: 'Denied', message: 'the target answers 403' }];
    here.stand.state = ({ generation }) => ({
      generation,
      targets: [{ ...done, pending: 1, failed: 1, failures, oldestPendingSince: '2026-11-22T08:00:00Z' }],
      problems: [{ type: 'DeletionHalted', reason: 'TooMany', message: '400 tags are gone at the source' }],
    });
    await addRule('trouble');
    const rule = await here.look();
    assert.deepEqual(conditions(rule), [
      'DeletionHalted=True TooMany',
      'InSync=False CopyFailed',
      'Ready=True InForce',
    ]);
    assert.deepEqual(rule.status?.targets?.[0]?.failures, failures);
    const warned = here.said.filter(({ type }) => type === 'Warning').map(({ reason }) => reason);
    assert.deepEqual(warned.sort(), ['CopyFailed', 'TooMany']);

    here.stand.state = inStep;
    assert.deepEqual(conditions(await here.look()), ['InSync=True InStep', 'Ready=True InForce']);
  });

  test('that the registry refuses is stalled, with every problem', async () => {
    await using here = await world('refused');
    here.stand.refusal = ['rule mirror: spec.source: is nowhere', 'rule mirror: spec.targets: neither'];
    await addRule('refused');
    const rule = await here.look();
    assert.deepEqual(conditions(rule), ['Ready=False InvalidRule', 'Stalled=True InvalidRule']);
    assert.match(rule.status?.conditions?.[0]?.message ?? '', /is nowhere; .*neither/);
  });

  test('stays in force while its registry restarts, and no longer when that does not come back', async () => {
    await using here = await world('silent');
    here.stand.state = inStep;
    await addRule('silent');
    await here.look();
    await here.stand.silence(true);
    const before = kube.writes();
    assert.deepEqual(conditions(await here.look()), ['InSync=True InStep', 'Ready=True InForce']);
    here.pass(59_000);
    await here.look();
    assert.equal(kube.writes(), before);
    here.pass(2000);
    assert.deepEqual(conditions(await here.look()), [
      'InSync=Unknown NotTold',
      'Ready=False RegistryUnreachable',
      'Reconciling=True RegistryUnreachable',
    ]);
    await here.stand.silence(false);
    assert.deepEqual(conditions(await here.look()), ['InSync=True InStep', 'Ready=True InForce']);
  });

  test('comes back to a registry that lost it, or that cannot open its credentials any more', async () => {
    await using here = await world('restored');
    here.stand.state = inStep;
    await addRule('restored');
    await here.look();
    here.stand.rules.clear();
    await here.look();
    assert.equal(here.stand.rules.size, 1);

    const lost = { type: 'Ready', reason: 'CredentialsLost', message: 'the key is another' };
    here.stand.state = (given) => ({ ...inStep(given), problems: [lost] });
    here.stand.asked.length = 0;
    assert.deepEqual(conditions(await here.look()).slice(1, 2), ['Ready=False CredentialsLost']);
    assert.ok(here.stand.asked.includes('PUT /admin/v1/rules/replication/mirror'));
  });

  test('is compared at once when its annotation says so, and once', async () => {
    await using here = await world('now');
    here.stand.state = inStep;
    await addRule('now');
    await here.look();
    const ref = { ...replicationRuleKind, name: 'mirror', namespace: 'now' };
    await kube.client.patch(ref, { metadata: { annotations: { 'ne-registry.io/reconcile-at': 'noon' } } });
    here.stand.asked.length = 0;
    assert.equal((await here.look()).status?.lastHandledReconcileAt, 'noon');
    await here.look();
    assert.equal(here.stand.asked.filter((each) => each.startsWith('POST')).length, 1);
  });
});
