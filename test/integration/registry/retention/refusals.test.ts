/** A policy that is wrong is refused whole: every problem is told, naming rule and field, and what ran before goes on. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Server, startServer } from '../server.ts';
import { type House, house } from './house.ts';

let server: Server;
let it: House;

before(async () => {
  server = await startServer({ document: { auth: { administrators: ['tester'] } } });
  it = house(server);
});
after(() => server?.discard());

type Rule = Record<string, unknown> & { selection: Record<string, unknown> };
const rule = (more: object = {}, selection: object = {}): Rule => ({
  rulePriority: 1,
  action: { type: 'expire' },
  selection: {
    tagStatus: 'tagged',
    tagPatternList: ['v*'],
    countType: 'imageCountMoreThan',
    countNumber: 1,
    ...selection,
  },
  ...more,
});
const untagged = { tagStatus: 'untagged', tagPatternList: undefined };
const any = { tagStatus: 'any', tagPatternList: undefined };
const pulled = { countType: 'sinceImagePulled', countUnit: 'days' };
const transition = { action: { type: 'transition', targetStorageClass: 'archive' } };
const prefixes = (tagPrefixList: string[]) => ({ tagPatternList: undefined, tagPrefixList });
const repositories = { include: ['app'] };

/** What is wrong, and how it is told: rule and field. */
const violations: [string, object[], RegExp][] = [
  ['V1 one priority twice', [rule(), rule({}, untagged)], /rulePriority 1: .*more than one/],
  ['V1 a priority of zero', [rule({ rulePriority: 0 })], /rulePriority.*from 1/],
  ['V2 tagged with both lists', [rule({}, { tagPrefixList: ['v'] })], /selection\.tagStatus: .*exactly one/],
  ['V2 tagged with an empty list', [rule({}, { tagPatternList: [] })], /tagPatternList.*at least one/],
  ['V2 untagged with a list', [rule({}, { tagStatus: 'untagged' })], /tagPatternList.*untagged/],
  ['V3 five stars', [rule({}, { tagPatternList: ['a*b*c*d*e*'] })], /tagPatternList.*more than 4/],
  ['V4 a count of zero', [rule({}, { countNumber: 0 })], /countNumber.*from 1/],
  ['V4 an age without days', [rule({}, { countType: 'sinceImagePushed' })], /countUnit.*days/],
  ['V4 a count in days', [rule({}, { countUnit: 'days' })], /countUnit.*imageCountMoreThan/],
  ['V5 any before others', [rule({}, any), rule({ rulePriority: 2 })], /rulePriority 1: .*any.*largest/],
  ['V6 untagged twice', [rule({}, untagged), rule({ rulePriority: 2 }, untagged)], /rulePriority 1, 2: .*untagged/],
  [
    'V6 the same prefixes twice',
    [rule({}, prefixes(['a', 'b'])), rule({ rulePriority: 2 }, prefixes(['b', 'a']))],
    /rulePriority 1, 2: .*tagPrefixList/,
  ],
  [
    'V7 archived for too short',
    [rule({}, { countType: 'sinceImageTransitioned', countUnit: 'days', storageClass: 'archive', countNumber: 89 })],
    /countNumber.*90/,
  ],
  ['V7 a transition to nowhere', [rule({ action: { type: 'transition' } }, pulled)], /targetStorageClass/],
  ['V8 an unknown field', [rule({}, { tagColour: 'blue' })], /selection\.tagColour: .*not known/],
  ['V8 half an image', [rule({}, { countNumber: 1.5 })], /countNumber.*whole number/],
  ['V8 less than none', [rule({}, { countNumber: -1 })], /countNumber.*whole number/],
];

describe('of ECR’s JSON as of YAML', () => {
  for (const [name, rules, told] of violations) {
    test(name, async () => {
      const pasted = await it.put('wrong', { repositories, lifecyclePolicyText: JSON.stringify({ rules }) });
      const typed = await it.put('wrong', { repositories, rules });
      for (const { status, problems } of [pasted, typed]) {
        assert.equal(status, 400);
        assert.match(problems.join('\n'), told);
      }
    });
  }
});

test('texts that JSON.parse would let pass, or change, are refused whole', async () => {
  const good = JSON.stringify({ rules: [rule()] });
  const texts: [string, RegExp][] = [
    [good.replace(']}', '],}'), /not valid JSON/],
    [good.replace('"rulePriority":1', '"rulePriority":1,"rulePriority":2'), /rulePriority.*twice/],
    [good.replace('"countNumber":1', '"countNumber":9007199254740993'), /2\^53/],
    [good.replace('"countNumber":1', '"countNumber":1e999'), /too large/],
  ];
  for (const [lifecyclePolicyText, told] of texts) {
    const { status, problems } = await it.put('text', { repositories, lifecyclePolicyText });
    assert.equal(status, 400, lifecyclePolicyText);
    assert.match(problems.join('\n'), told);
    // The body itself is read as strictly.
    const whole = `{"uid":"u","generation":1,"spec":{"repositories":{"include":["app"]},"rules":${lifecyclePolicyText.slice(9)}}`;
    const answer = await it.registry.request('PUT', '/admin/v1/rules/retention/text', {
      body: whole.slice(0, -1).concat('}'),
    });
    assert.equal(answer.status, 400, whole);
  }
  assert.equal((await it.registry.request('GET', '/admin/v1/rules/retention/text')).status, 404);
});

test('every problem is told at once, of the rules and of all else', async () => {
  const { problems } = await it.put('all', {
    repositories: { include: ['UPPER'], only: [] },
    rules: [rule({ rulePriority: 0 }, { countNumber: 0 })],
    mode: 'Maybe',
    schedule: 'at night',
    timeZone: 'Mars/Olympus',
    restoreWindow: 'soon',
    suspend: 'no',
    colour: 'blue',
  });
  const fields = [
    'rulePriority',
    'countNumber',
    'include',
    'only',
    'mode',
    'schedule',
    'restoreWindow',
    'suspend',
    'colour',
  ];
  for (const field of fields)
    assert.ok(
      problems.some((problem) => problem.includes(field)),
      field,
    );
  const zoned = await it.put('zone', { repositories, rules: [rule()], timeZone: 'Mars/Olympus' });
  assert.match(zoned.problems.join(), /timeZone: .*Mars\/Olympus/);
  const approved = await it.put('approved', {
    repositories,
    rules: [rule()],
    approvedPlan: `sha256:${'0'.repeat(64)}`,
  });
  assert.match(approved.problems.join(), /approvedPlan: .*mode Approve/);
});

test('a rule for an archive is understood, keeps its images, and says so', async () => {
  await it.push('archive', ['v1', 'v2']);
  const spec = { repositories: { include: ['archive'] }, rules: [rule(transition, { ...pulled, countNumber: 1 })] };
  assert.equal((await it.put('archive', spec)).status, 200);
  const state = await it.evaluated('archive');
  assert.deepEqual([state.plan?.expiring, state.problems[0]?.type], [0, 'ArchiveNotAvailable']);
});

test('a generation that is older, a name that is none and a kind that is not there are refused', async () => {
  const put = (path: string, body: object) =>
    it.registry.request('PUT', `/admin/v1/rules/${path}`, { body: JSON.stringify(body) });
  const spec = { repositories, rules: [rule()], suspend: true };
  const at = (generation: number, uid = 'u') => ({ uid, generation, spec });
  assert.equal((await put('retention/aged', at(2))).status, 200);
  assert.equal((await put('retention/aged', at(2))).status, 200, 'the same again');
  assert.equal((await put('retention/aged', at(1))).status, 409);
  assert.equal((await put('retention/aged', at(1, 'another'))).status, 200, 'made again');
  assert.equal((await put('retention/No_Name', at(1))).status, 400);
  assert.equal((await put('nonsense/aged', at(1))).status, 404);
  assert.equal((await put('retention/aged', { uid: 'u', spec })).status, 400);
  const shown = (await it.registry.request('GET', '/admin/v1/rules/retention/aged')).json();
  assert.deepEqual((shown as { spec: object }).spec, JSON.parse(JSON.stringify(spec)));
  const all = (await it.registry.request('GET', '/admin/v1/rules/retention')).json() as { rules: { name: string }[] };
  assert.deepEqual(
    all.rules.map(({ name }) => name),
    ['aged', 'archive'],
  );
  for (const authorization of [null, `Basic ${Buffer.from('tester:wrong').toString('base64')}`])
    assert.equal((await it.registry.request('GET', '/admin/v1/rules/retention', { authorization })).status, 401);
});
