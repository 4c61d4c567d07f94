/** The commands of `ne-cli retention` that ask a registry, against a real one. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Server, startServer } from '../registry/server.ts';
import { until } from '../registry/space/until.ts';
import { cli, freshHome, type Run } from './cli.ts';
import { SampleLayout } from './sample.ts';

const env = freshHome();
const digests = new Map<string, string>();
let server: Server;
let folder: string;
let policy: string;

const ran = async (...args: string[]): Promise<Run> => await cli(['retention', ...args], env);
async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await ran(...args, '--output', 'json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

const selection = { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1 };
const rules = [{ rulePriority: 10, selection, action: { type: 'expire' } }];

async function admin(method: string, path: string, body?: object): Promise<void> {
  const headers = { authorization: server.authorization, 'content-type': 'application/json' };
  const text = body === undefined ? null : JSON.stringify(body);
  const answer = await fetch(`${server.url}/admin/v1${path}`, { method, headers, body: text });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ne-retention-live-'));
  server = await startServer({ document: { auth: { administrators: ['tester'] } } });
  const login = ['login', server.host, '-u', server.user, '--password-stdin'];
  assert.equal((await cli(login, env, server.password)).code, 0);
  policy = join(folder, 'policy.json');
  writeFileSync(policy, JSON.stringify({ rules }));
  for (const tag of ['v1', 'v2', 'v3']) {
    const sample = new SampleLayout(join(folder, tag));
    const image = await sample.image([1000]);
    sample.add(image, tag);
    digests.set(tag, image.digest);
    const pushed = await cli(['push', `${server.host}/team/app:${tag}`, await sample.finish()], env);
    assert.equal(pushed.code, 0, pushed.stderr);
  }
});
after(async () => {
  await server?.discard();
  rmSync(folder, { recursive: true, force: true });
});

test('preview shows what would go, in the words of the offline plan, and changes nothing', async () => {
  const plan = await json<{ repository: string; images: { imageTags: string[]; action: string }[] }>(
    ...['preview', '--policy', policy, server.host],
  );
  assert.equal(plan.repository, 'team/app');
  const action = Object.fromEntries(plan.images.map(({ imageTags, action: done }) => [imageTags.join(), done]));
  assert.deepEqual(action, { v1: 'EXPIRE', v2: 'EXPIRE', v3: 'KEEP' });
  const { stdout, stderr, code } = await ran('preview', '--policy', policy, `${server.host}/team/app`);
  assert.deepEqual([code, stdout.trim().split('\n').length], [0, 3]);
  assert.match(stdout, new RegExp(`^EXPIRE team/app@${digests.get('v1')} v1 `, 'm'));
  assert.match(stderr, /2 of 3 images in 1 repositories would expire; nothing was changed/);
  assert.match((await cli(['tags', `${server.host}/team/app`], env)).stdout, /v1\nv2\nv3/);
});

test('a policy that cannot be is refused before anybody is asked', async () => {
  const broken = join(folder, 'broken.yaml');
  writeFileSync(broken, 'kind: RetentionPolicy\nspec: {rules: [{rulePriority: 0}]}\n');
  const { code, stderr } = await ran('preview', '--policy', broken, 'nobody.invalid');
  assert.equal(code, 2);
  assert.match(stderr, /rulePriority/);
});

test('what expired is in the trash, is explained, and comes back with its tag', async () => {
  assert.match((await ran('trash', server.host)).stdout, /the trash is empty/);
  await admin('PUT', '/rules/retention/keep-one', {
    uid: '1',
    generation: 1,
    spec: { repositories: { include: ['team/*'] }, rules },
  });
  await admin('POST', '/rules/retention/keep-one/run');
  await until('two images in the trash', async () => {
    return (await json<{ images: object[] }>('trash', server.host)).images.length === 2;
  });
  const kept = await json<{ action: string; policy: string }>('explain', `${server.host}/team/app:v3`);
  assert.deepEqual([kept.action, kept.policy], ['KEEP', 'keep-one']);
  assert.match((await ran('explain', `${server.host}/team/app:v3`)).stdout, /^KEEP .*v3\npolicy keep-one/);
  const trash = await ran('trash', `${server.host}/team/app`);
  assert.match(trash.stdout, /team\/app@[0-9a-f]{12} +v1 +.*keep-one/);
  assert.equal((await json<{ images: object[] }>('trash', server.host, '--limit', '1')).images.length, 1);

  const gone = await ran('restore', `${server.host}/team/app:v9`);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /v9/);
  const back = await ran('restore', `${server.host}/team/app:v1`, `${server.host}/team/app@${digests.get('v2')}`);
  assert.equal(back.code, 0, back.stderr);
  assert.match(back.stdout, new RegExp(`restored ${server.host}/team/app@${digests.get('v1')} v1`));
  const { digest } = JSON.parse((await cli(['inspect', `${server.host}/team/app:v1`, '--output', 'json'], env)).stdout);
  assert.equal(digest, digests.get('v1'));
});

test('who is no administrator is told so', async () => {
  const { code, stderr } = await cli(['retention', 'trash', server.host], freshHome());
  assert.equal(code, 1);
  assert.match(stderr, /no credentials were sent; run `ne-cli login/);
});
