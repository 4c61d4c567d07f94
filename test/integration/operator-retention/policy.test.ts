/** RetentionPolicies against a real API server and real registries: from the resource to what expires, and back to its status. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../../src/operator/kube/object.ts';
import { eventually } from '../kube/setup.ts';
import { Bed, namespace, type Operator, type Pod } from './bed.ts';
import { Door } from './door.ts';

let bed: Bed;
let operator: Operator;
before(async () => {
  bed = await Bed.lay();
  operator = bed.operator();
});
after(async () => await bed?.[Symbol.asyncDispose]());

const keepTwo = {
  rulePriority: 1,
  selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 2 },
  action: { type: 'expire' },
};
const everything = { repositories: { include: ['**'] }, rules: [keepTwo] };
const at = (name: string): string => `/apis/ne-registry.io/v1alpha1/namespaces/${namespace}/retentionpolicies/${name}`;

/** When the registry last evaluated, milliseconds; what the status says comes later, and without parts of seconds. */
async function evaluatedAt(name: string, door: Door): Promise<number> {
  const { json } = await door.send('GET', `/admin/v1/rules/retention/${name}`);
  return Date.parse(json?.state?.lastEvaluation ?? '1970-01-01T00:00:00Z');
}

/** Asks for an evaluation now, and waits until it is done. */
async function run(name: string, door: Door): Promise<void> {
  const before = await evaluatedAt(name, door);
  await sleep(1100);
  const asked = `${Date.now()}`;
  await bed.user.client.patch(
    { apiVersion: 'ne-registry.io/v1alpha1', kind: 'RetentionPolicy', name, namespace },
    { metadata: { annotations: { 'ne-registry.io/reconcile-at': asked } } },
  );
  try {
    await eventually('the evaluation', async () => {
      const { status } = await bed.policy(name);
      return status.lastHandledReconcileAt === asked && Date.parse(status.lastEvaluation) > before;
    });
  } catch (error) {
    const rule = await door.send('GET', `/admin/v1/rules/retention/${name}`);
    throw new Error(`${(error as Error).message}: ${rule.text.slice(0, 2000)}`);
  }
}

describe('a policy', { timeout: 1_200_000 }, () => {
  let pod: Pod;
  let door: Door;

  test('waits for a Registry, and is in force once there is one', async () => {
    await bed.applyPolicy('keep', { ...everything, mode: 'DryRun' });
    const waiting = await bed.condition('keep', 'Ready=False RegistryNotFound');
    assert.match(waiting.message, /there is no Registry in namespace default/);
    pod = await bed.registry('main', '127.0.78.11');
    door = await Door.to(pod);
    await bed.condition('keep', 'Ready=True InForce');
  });

  test('shows what it would expire, and in which mode nothing does', async () => {
    for (const tag of ['1', '2', '3', '4']) await door.push('team/app', tag);
    await run('keep', door);
    const { status } = await bed.policy('keep');
    assert.equal(status.plan.expiring, 2);
    assert.deepEqual(
      status.plan.images.map(({ tags, rulePriority }: { tags: string[]; rulePriority: number }) => [
        tags,
        rulePriority,
      ]),
      [
        [['1'], 1],
        [['2'], 1],
      ],
    );
    assert.match((await bed.condition('keep', 'Ready=True InForce')).message, /would expire 2 images/);
    assert.deepEqual(await door.tags('team/app'), ['1', '2', '3', '4']);
  });

  test('causes no write while nothing happens, however often it is looked at', async () => {
    // The Registry is looked at every three seconds or so as long as no pod of it is ready, and says what is stored by now.
    await eventually(
      'all of it to be said',
      async () => {
        const before = operator.kube.writes();
        await sleep(8000);
        return operator.kube.writes() === before;
      },
      180,
    );
    const before = operator.kube.writes();
    const reads = operator.kube.sent.length;
    // What others write wakes the operator; it is not the operator's field.
    for (let round = 0; round < 100; round++) {
      await bed.user.client.patch(
        { apiVersion: 'ne-registry.io/v1alpha1', kind: 'Registry', name: 'main', namespace },
        { metadata: { annotations: { poke: String(round) } } },
      );
    }
    await sleep(12_000);
    assert.ok(operator.kube.sent.length > reads, 'nobody looked');
    assert.equal(operator.kube.writes(), before);
  });

  test('expires what it says once it enforces, and tells of it', async () => {
    await bed.applyPolicy('keep', everything);
    await bed.condition('keep', 'Ready=True InForce');
    await run('keep', door);
    await eventually('the two oldest to go', async () => (await door.tags('team/app')).join() === '3,4');
    await eventually('the total', async () => (await bed.policy('keep')).status.totals?.expired === 2);
    await eventually('the event', async () => (await events('Expired')).some((note) => /2 images expired/.test(note)));
  });

  test('that is wrong is refused whole, with each rule and field, and the one before it stays', async () => {
    const text = JSON.stringify({
      rules: [
        { ...keepTwo, rulePriority: 1, selection: { ...keepTwo.selection, countNumber: 0 } },
        { ...keepTwo, rulePriority: 2, selection: { ...keepTwo.selection, countUnit: 'days' } },
      ],
    });
    await bed.applyPolicy('keep', { repositories: { include: ['**'] }, lifecyclePolicyText: text });
    const { message } = await bed.condition('keep', 'Stalled=True InvalidPolicy');
    assert.match(message, /rules\[0\] \(rulePriority 1\)\.selection\.countNumber/);
    assert.match(message, /rules\[1\] \(rulePriority 2\)\.selection\.countUnit/);
    assert.deepEqual((await door.send('GET', '/admin/v1/rules/retention/keep')).json.spec.rules, [keepTwo]);
    await bed.applyPolicy('keep', everything);
    await bed.condition('keep', 'Ready=True InForce');
  });

  for (const [what, text] of [
    ['a trailing comma', '{"rules": [],}'],
    ['a duplicate key', '{"rules": [], "rules": []}'],
    [
      'a number past 2^53',
      JSON.stringify({ rules: [keepTwo] }).replace('"countNumber":2', '"countNumber":9007199254740993'),
    ],
  ]) {
    test(`with ${what} in its text is refused`, async () => {
      await bed.applyPolicy('odd', { repositories: { include: ['odd'] }, lifecyclePolicyText: text });
      await bed.condition('odd', 'Stalled=True InvalidPolicy');
      assert.equal((await door.send('GET', '/admin/v1/rules/retention/odd')).status, 404);
      await bed.api.request('DELETE', at('odd'));
    });
  }

  test('with a schedule that never comes is refused before any registry is asked', async () => {
    await bed.applyPolicy('odd', { ...everything, schedule: '0 0 31 2 *' });
    assert.match((await bed.condition('odd', 'Stalled=True InvalidPolicy')).message, /spec\.schedule: .*never comes/);
    await bed.api.request('DELETE', at('odd'));
  });

  test('goes on being in force while its registry is away, with a condition that says so', async () => {
    await pod.kill();
    await eventually(
      'the condition',
      async () => {
        const { status } = await bed.policy('keep');
        const of = (type: string) => status.conditions.find((each: { type: string }) => each.type === type);
        return of('Ready')?.status === 'True' && of('RegistryUnreachable')?.status === 'True';
      },
      180,
    );
    await pod.start();
    await eventually(
      'the condition to go',
      async () =>
        !(await bed.policy('keep')).status.conditions.some(
          ({ type }: { type: string }) => type === 'RegistryUnreachable',
        ),
      180,
    );
  });

  test('is gone from the registry when its resource is, also one that was deleted while the operator was away', async () => {
    await bed.applyPolicy('other', { ...everything, repositories: { include: ['other/**'] } });
    await bed.condition('other', 'Ready=True InForce');
    await bed.api.request('DELETE', at('other'));
    const gone = async (name: string) => (await door.send('GET', `/admin/v1/rules/retention/${name}`)).status === 404;
    await eventually('the rule to go', () => gone('other'));
    await operator.stop();
    await bed.api.request('DELETE', at('keep'));
    assert.equal(await gone('keep'), false);
    operator = bed.operator();
    await eventually('that rule to go, too', () => gone('keep'));
  });

  test('moves to the Registry that it names, and waits where it has to choose', async () => {
    await bed.applyPolicy('moving', everything);
    await bed.condition('moving', 'Ready=True InForce');
    const second = await bed.registry('second', '127.0.78.12');
    using other = await Door.to(second);
    await bed.applyPolicy('moving', { ...everything, mode: 'DryRun' });
    assert.match((await bed.condition('moving', 'Ready=False RegistryAmbiguous')).message, /main, second/);
    assert.equal((await door.send('GET', '/admin/v1/rules/retention/moving')).status, 200, 'it stays where it was');
    await bed.applyPolicy('moving', { ...everything, registryRef: { name: 'second' } });
    await bed.condition('moving', 'Ready=True InForce');
    assert.equal((await other.send('GET', '/admin/v1/rules/retention/moving')).status, 200);
    await eventually(
      'it to be gone from the first',
      async () => (await door.send('GET', '/admin/v1/rules/retention/moving')).status === 404,
    );
  });
});

async function events(reason: string): Promise<string[]> {
  const found = await bed.user.client.list<KubeObject & { reason?: string; note?: string }>(
    { apiVersion: 'events.k8s.io/v1', kind: 'Event' },
    { namespace },
  );
  return found.flatMap((event) => (event.reason === reason ? [event.note ?? ''] : []));
}
