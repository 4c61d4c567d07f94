/** Policies expire what ECR would expire, through the admin API of a real registry, and nothing else. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Server, startServer } from '../server.ts';
import { until } from '../space/until.ts';
import { type House, house } from './house.ts';

let server: Server;
let it: House;

before(async () => {
  server = await startServer({ document: { auth: { administrators: ['tester'] }, reclaim: { graceSeconds: 0 } } });
  it = house(server);
});
after(() => server?.discard());

const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, '0')}`);

const count = (rulePriority: number, tagPatternList: string[], countNumber: number) => ({
  rulePriority,
  selection: { tagStatus: 'tagged', tagPatternList, countType: 'imageCountMoreThan', countNumber },
  action: { type: 'expire' },
});

test('a policy pasted from ECR expires the right images of a repository with 300 tags', async () => {
  const [prod, beta, other] = [numbered('prod-', 100), numbered('beta-', 100), numbered('other-', 100)];
  await it.push('pasted/app', [...prod, ...beta, ...other]);
  const lifecyclePolicyText = JSON.stringify({ rules: [count(1, ['prod*'], 60), count(2, ['beta*'], 10)] });
  assert.equal((await it.put('pasted', { repositories: { include: ['pasted/*'] }, lifecyclePolicyText })).status, 200);
  await until('it is evaluated', async () => (await it.state('pasted')).lastEvaluation !== undefined);
  const state = await it.state('pasted');
  const expected = [...prod.slice(40), ...beta.slice(90), ...other].sort();
  assert.deepEqual((await it.tags('pasted/app')).sort(), expected);
  assert.deepEqual([state.plan?.expiring, state.plan?.keeping, state.totals.expired], [130, 170, 130]);
  assert.equal(state.plan?.images.length, 100);
  assert.equal(state.plan.images[0]?.tags?.[0], 'prod-000');
  assert.match(state.plan.hash, /^sha256:[0-9a-f]{64}$/);
  const lines = server.log.filter((line) => line.includes('"image expired"'));
  assert.equal(lines.length, 130);
  assert.match(lines[0] ?? '', /"policy":"pasted","repository":"pasted\/app","digest":"sha256:/);
});
