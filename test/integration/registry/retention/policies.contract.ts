/** For every store: policies expire what ECR would expire, through the admin API of a real registry, and nothing else. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { digestOf, imageType, indexType } from '../client.ts';
import type { Server, ServerOptions } from '../server.ts';
import { until } from '../space/until.ts';
import { type House, house } from './house.ts';

const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, '0')}`);

const count = (rulePriority: number, tagPatternList: string[], countNumber: number) => ({
  rulePriority,
  selection: { tagStatus: 'tagged', tagPatternList, countType: 'imageCountMoreThan', countNumber },
  action: { type: 'expire' },
});

/** @param start starts a registry with these settings and a store to be tested */
export function policiesContract(start: (options: ServerOptions) => Promise<Server>): void {
  let server: Server;
  let it: House;

  before(async () => {
    server = await start({ document: { auth: { administrators: ['tester'] }, reclaim: { graceSeconds: 0 } } });
    it = house(server);
  });
  after(() => server?.discard());

  test('a policy pasted from ECR expires the right images of a repository with 300 tags', async () => {
    const [prod, beta, other] = [numbered('prod-', 100), numbered('beta-', 100), numbered('other-', 100)];
    await it.push('pasted/app', [...prod, ...beta, ...other]);
    const lifecyclePolicyText = JSON.stringify({ rules: [count(1, ['prod*'], 60), count(2, ['beta*'], 10)] });
    assert.equal(
      (await it.put('pasted', { repositories: { include: ['pasted/*'] }, lifecyclePolicyText })).status,
      200,
    );
    const state = await it.evaluated('pasted');
    const expected = [...prod.slice(40), ...beta.slice(90), ...other].sort();
    assert.deepEqual((await it.tags('pasted/app')).sort(), expected);
    assert.deepEqual([state.plan?.expiring, state.plan?.keeping, state.totals.expired], [130, 170, 130]);
    assert.equal(state.plan?.images.length, 100);
    assert.equal(state.plan.images[0]?.tags?.[0], 'prod-000');
    assert.match(state.plan.hash, /^sha256:[0-9a-f]{64}$/);
    const expired = () => server.log.filter((line) => line.includes('"image expired"'));
    // Lines come another way than answers do.
    await until('all of them are logged', () => expired().length >= 130);
    const lines = expired();
    assert.equal(lines.length, 130);
    assert.match(lines[0] ?? '', /"policy":"pasted","repository":"pasted\/app","digest":"sha256:/);
  });

  test('a dry run expires nothing, says the same plan twice, and the whole of it is there to read', async () => {
    const digests = await it.push('dry/app', numbered('v', 120));
    const rules = [count(1, ['v*'], 5)];
    await it.put('dry', { repositories: { include: ['dry/app'] }, rules, mode: 'DryRun' });
    const first = await it.evaluated('dry');
    const second = await it.evaluatedAgain('dry');
    assert.equal(first.plan?.hash, second.plan?.hash);
    assert.deepEqual([second.plan?.expiring, second.totals.expired], [115, 0]);
    assert.equal((await it.tags('dry/app')).length, 120);
    const answer = await it.registry.request('GET', '/admin/v1/retention/dry/plan');
    assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
    const lines = answer.body.toString().trim().split('\n');
    const planned = lines.map((line) => JSON.parse(line) as { digest: string; tags: string[]; reason: string });
    const expected = numbered('v', 115).map((tag) => digests.get(tag));
    assert.deepEqual(planned.map(({ digest }) => digest).sort(), expected.sort());
    assert.ok(planned.every(({ reason, tags }) => reason !== '' && tags.length === 1));
  });

  test('a frozen plan waits for its hash, and is applied less what changed meanwhile', async () => {
    const digests = await it.push('approve/app', numbered('v', 10));
    const spec = { repositories: { include: ['approve/app'] }, rules: [count(1, ['v*'], 4)], mode: 'Approve' };
    await it.put('approve', spec);
    const frozen = await it.evaluated('approve');
    const hash = frozen.plan?.hash ?? '';
    assert.equal(frozen.plan?.expiring, 6);
    const days = (Date.parse(frozen.plan.expiresAt ?? '') - Date.now()) / 86_400_000;
    assert.ok(days > 6.9 && days < 7.1, `${days}`);
    const unknown = `sha256:${'0'.repeat(64)}`;
    await it.put('approve', { ...spec, approvedPlan: unknown });
    await until('an unknown hash is told of', async () =>
      (await it.state('approve')).problems.some(({ type }) => type === 'ApprovalUnknown'),
    );
    assert.equal((await it.tags('approve/app')).length, 10);
    // One of those that would go gets another tag, and new ones come that push others past the count.
    const [moved] = [digests.get('v000') ?? ''];
    const { body } = await it.registry.request('GET', `/v2/approve/app/manifests/${moved}`);
    const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' };
    assert.equal((await it.registry.request('PUT', '/v2/approve/app/manifests/kept', { body, headers })).status, 201);
    await it.push('approve/app', ['v100', 'v101']);
    await it.put('approve', { ...spec, approvedPlan: hash });
    await until('the plan is applied', async () => (await it.state('approve')).totals.expired > 0);
    const gone = ['v001', 'v002', 'v003', 'v004', 'v005'];
    const left = [...digests.keys(), 'kept', 'v100', 'v101'].filter((tag) => !gone.includes(tag)).sort();
    assert.deepEqual((await it.tags('approve/app')).sort(), left);
    // Another plan is frozen, and the old approval does nothing to it.
    await until('another plan is made', async () => (await it.state('approve')).plan?.hash !== hash);
    const again = await it.evaluatedAgain('approve');
    assert.deepEqual([again.totals.expired, again.problems], [5, []]);
    assert.ok((again.plan?.expiring ?? 0) > 0);
  });

  test('an approval of a plan that was replaced is refused', async () => {
    await it.push('lapsed/app', numbered('v', 4));
    const spec = { repositories: { include: ['lapsed/app'] }, rules: [count(1, ['v*'], 2)], mode: 'Approve' };
    await it.put('lapsed', spec);
    const { plan } = await it.evaluated('lapsed');
    await it.push('lapsed/app', ['v100']);
    const next = await it.evaluatedAgain('lapsed');
    assert.notEqual(next.plan?.hash, plan?.hash);
    await it.put('lapsed', { ...spec, approvedPlan: plan?.hash });
    await until('that is told of', async () =>
      (await it.state('lapsed')).problems.some(({ type }) => type === 'ApprovalExpired'),
    );
    assert.equal((await it.tags('lapsed/app')).length, 5);
  });

  test('what was restored comes back byte for byte, and an approval that was used does not take it away again', async () => {
    const digests = await it.push('restore/app', numbered('v', 5));
    const spec = { repositories: { include: ['restore/app'] }, rules: [count(1, ['v*'], 2)], mode: 'Approve' };
    await it.put('restore', spec);
    const { plan } = await it.evaluated('restore');
    const before = await it.registry.request('GET', '/v2/restore/app/manifests/v000');
    await it.put('restore', { ...spec, approvedPlan: plan?.hash });
    await until('the plan is applied', async () => (await it.tags('restore/app')).length === 2);
    assert.equal((await it.registry.request('GET', '/v2/restore/app/manifests/v000')).status, 404);
    const trash = await it.registry.request('GET', '/admin/v1/retention/trash?repository=restore/app&n=2');
    const page = trash.json() as { images: { digest: string; tags: string[]; policy: string }[]; last: string };
    assert.deepEqual([page.images.length, page.images[0]?.policy], [2, 'restore']);
    const rest = await it.registry.request(
      'GET',
      `/admin/v1/retention/trash?repository=restore/app&last=${encodeURIComponent(page.last)}`,
    );
    assert.equal((rest.json() as typeof page).images.length, 1);
    const references = ['v000', digests.get('v001') ?? '', 'v002', 'never'];
    const restored = await it.registry.request('POST', '/admin/v1/retention/restore', {
      body: JSON.stringify({ repository: 'restore/app', references }),
    });
    assert.equal(restored.status, 200, restored.body.toString());
    const answer = restored.json() as { restored: { digest: string }[]; unknown: string[] };
    assert.deepEqual([answer.restored.length, answer.unknown], [3, ['never']]);
    const after = await it.registry.request('GET', '/v2/restore/app/manifests/v000');
    assert.ok(after.body.equals(before.body));
    assert.equal(after.headers.get('docker-content-digest'), digests.get('v000'));
    // The same images make the same set: it needs another approval.
    const again = await it.evaluatedAgain('restore');
    assert.equal(again.plan?.expiring, 3);
    assert.notEqual(again.plan.hash, plan?.hash);
    assert.equal((await it.tags('restore/app')).length, 5);
    const nothing = await it.registry.request('POST', '/admin/v1/retention/restore', {
      body: JSON.stringify({ repository: 'restore/app', references: ['never'] }),
    });
    assert.deepEqual([nothing.status, nothing.error], [404, 'MANIFEST_UNKNOWN']);
  });

  test('of two policies that are equally specific neither acts, and both say so until one is gone', async () => {
    await it.push('conflict/app', numbered('v', 5));
    const rules = [count(1, ['v*'], 1)];
    await it.put('conflict-a', { repositories: { include: ['conflict/a*'] }, rules, mode: 'DryRun' });
    await it.put('conflict-b', { repositories: { include: ['conflict/a*'] }, rules });
    for (const name of ['conflict-a', 'conflict-b'])
      await until(`${name} has the conflict`, async () => {
        const { problems } = await it.state(name);
        return problems.some(({ type, message }) => type === 'Conflict' && message.includes('conflict/app'));
      });
    assert.equal((await it.tags('conflict/app')).length, 5);
    // A literal name is more specific than both.
    await it.put('conflict-c', { repositories: { include: ['conflict/app'] }, rules: [count(1, ['v*'], 3)] });
    await until('the specific one acts', async () => (await it.tags('conflict/app')).length === 3);
    assert.equal((await it.registry.request('DELETE', '/admin/v1/rules/retention/conflict-c')).status, 204);
    assert.equal((await it.registry.request('DELETE', '/admin/v1/rules/retention/conflict-a')).status, 204);
    await until('the other one is free', async () => (await it.state('conflict-b')).problems.length === 0);
    await it.evaluatedAgain('conflict-b');
    assert.equal((await it.tags('conflict/app')).length, 1);
  });

  test('a suspended policy does nothing and keeps what is its own from broader ones', async () => {
    await it.push('suspended/app', numbered('v', 4));
    const rules = [count(1, ['v*'], 1)];
    await it.put('suspended', { repositories: { include: ['suspended/app'] }, rules, suspend: true });
    await it.put('broad', { repositories: { include: ['suspended/**'] }, rules });
    await it.evaluated('broad');
    assert.equal((await it.tags('suspended/app')).length, 4);
    const state = await it.state('suspended');
    assert.deepEqual([state.plan, state.nextEvaluation], [undefined, undefined]);
  });

  test('of a policy that is deleted nothing is evaluated any more, and its plan is removed', async () => {
    await it.push('deleted/app', numbered('v', 3));
    const rules = [count(1, ['v*'], 1)];
    await it.put('deleted', { repositories: { include: ['deleted/app'] }, rules, mode: 'DryRun' });
    await it.evaluated('deleted');
    const records = () => readdirSync(join(server.data, 'retention/deleted')).length;
    assert.equal(records(), 1);
    assert.equal((await it.registry.request('DELETE', '/admin/v1/rules/retention/deleted')).status, 204);
    assert.equal((await it.registry.request('DELETE', '/admin/v1/rules/retention/deleted')).status, 404);
    await until('the plan is removed', () => records() === 0);
    assert.equal((await it.registry.request('GET', '/admin/v1/retention/deleted/plan')).status, 404);
    assert.equal((await it.tags('deleted/app')).length, 3);
  });

  test('an index, its children and a signature go together, and a plan says with whom', async () => {
    const platforms = await it.push('family/app', ['amd64', 'arm64']);
    const manifests = await Promise.all(
      [...platforms.values()].map(async (digest) => {
        const { body } = await it.registry.request('GET', `/v2/family/app/manifests/${digest}`);
        return { mediaType: imageType, digest, size: body.length };
      }),
    );
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }));
    const headers = { 'content-type': indexType };
    assert.equal(
      (await it.registry.request('PUT', '/v2/family/app/manifests/v1', { body: index, headers })).status,
      201,
    );
    for (const tag of platforms.keys()) await it.registry.request('DELETE', `/v2/family/app/manifests/${tag}`);
    const subject = { mediaType: indexType, digest: digestOf(index), size: index.length };
    const signature = await it.registry.pushImage('family/app', digestOf(index).replace(':', '-').concat('.sig'), {
      subject,
    });
    await it.push('family/app', ['v2']);
    await it.put('family', { repositories: { include: ['family/app'] }, rules: [count(1, ['v*'], 1)] });
    const state = await it.evaluated('family');
    assert.equal(state.totals.expired, 4);
    const reasons = new Map(state.plan?.images.map(({ digest, reason }) => [digest, reason]));
    assert.equal(reasons.get(signature.digest), `with ${digestOf(index)}`);
    for (const digest of [...platforms.values(), signature.digest, digestOf(index)])
      assert.equal((await it.registry.request('HEAD', `/v2/family/app/manifests/${digest}`)).status, 404, digest);
    const body = JSON.stringify({ repository: 'family/app', references: ['v1'] });
    const restored = await it.registry.request('POST', '/admin/v1/retention/restore', { body });
    assert.equal((restored.json() as { restored: unknown[] }).restored.length, 4);
    for (const digest of [...platforms.values(), signature.digest, digestOf(index)])
      assert.equal((await it.registry.request('HEAD', `/v2/family/app/manifests/${digest}`)).status, 200, digest);
  });

  test('a preview answers the plan of every repository, and explain says why of one image', async () => {
    await it.push('asked/one', numbered('v', 3));
    await it.push('asked/two', ['v1']);
    const spec = { repositories: { include: ['asked/**'] }, rules: [count(7, ['v*'], 2)] };
    const answer = await it.registry.request('POST', '/admin/v1/retention/preview', { body: JSON.stringify({ spec }) });
    assert.equal(answer.status, 200, answer.body.toString());
    interface Preview {
      repository: string;
      images: { imageTags: string[]; action: string; appliedRulePriority: number }[];
      summary: { expiringImageTotalCount: number };
    }
    const lines = answer.body.toString().trim().split('\n');
    const previews = lines.map((line) => JSON.parse(line) as Preview);
    assert.deepEqual(
      previews.map(({ repository, summary }) => [repository, summary.expiringImageTotalCount]),
      [
        ['asked/one', 1],
        ['asked/two', 0],
      ],
    );
    const expiring = previews[0]?.images.find(({ action }) => action === 'EXPIRE');
    assert.deepEqual([expiring?.imageTags, expiring?.appliedRulePriority], [['v000'], 7]);
    assert.equal((await it.tags('asked/one')).length, 3);
    const explain = async (reference: string) => {
      const found = await it.registry.request(
        'GET',
        `/admin/v1/retention/explain?repository=asked/one&reference=${reference}`,
      );
      return { ...(found.json() as Record<string, unknown>), status: found.status } as Record<string, unknown>;
    };
    assert.equal((await explain('v000')).reason, 'no policy selects its repository');
    await it.put('asked', { ...spec, mode: 'DryRun' });
    const old = await explain('v000');
    assert.deepEqual([old.policy, old.mode, old.action, old.appliedRulePriority], ['asked', 'DryRun', 'EXPIRE', 7]);
    assert.equal((await explain('v002')).reason, 'rule 7 keeps it');
    assert.equal((await explain('v999')).status, 404);
    const broken = await it.registry.request('POST', '/admin/v1/retention/preview', {
      body: JSON.stringify({ spec: { repositories: { include: ['x'] }, rules: [count(0, ['v*'], 2)] } }),
    });
    assert.equal(broken.status, 400);
  });

  test('metrics count what expired, by policy', async () => {
    const metrics = (await it.registry.request('GET', '/metrics')).body.toString();
    assert.match(metrics, /^ne_retention_expired_total\{policy="pasted"\} 130$/m);
    assert.match(metrics, /^ne_retention_plan_images\{policy="dry"\} 115$/m);
    assert.match(metrics, /^ne_retention_evaluation_seconds_count [1-9]/m);
  });
}
