/** `ne-cli replication`, against a real registry that keeps another one in step. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { type Server, startServer } from '../registry/server.ts';
import { until } from '../registry/space/until.ts';
import { cli, freshHome, type Run } from './cli.ts';
import { SampleLayout } from './sample.ts';

const env = freshHome();
let worker: Server;
let other: Server;

const ran = async (...args: string[]): Promise<Run> => await cli(['replication', ...args], env);
async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ran(...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

before(async () => {
  [worker, other] = await Promise.all([
    startServer({ document: { auth: { administrators: ['tester'] } } }),
    startServer(),
  ]);
  for (const { host, user, password } of [worker, other]) {
    assert.equal((await cli(['login', host, '-u', user, '--password-stdin'], env, password)).code, 0);
  }
});
after(async () => {
  await Promise.all([worker?.discard(), other?.discard()]);
});

/** As the operator does it. */
async function putRule(name: string, spec: object, password = other.password): Promise<void> {
  const body = {
    uid: name,
    generation: 1,
    spec,
    connections: [
      { registry: 'main', host: worker.host, self: true },
      { host: other.host, username: other.user, password, insecure: true },
    ],
  };
  const answer = await fetch(`${worker.url}/admin/v1/rules/replication/${name}`, {
    method: 'PUT',
    headers: { authorization: worker.authorization, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.text());
}

async function push(repository: string): Promise<void> {
  const sample = new SampleLayout(`${worker.data}.layout`);
  sample.add(await sample.image([5000]), 'v1');
  const pushed = await cli(['push', `${worker.host}/${repository}:v1`, await sample.finish()], env);
  rmSync(`${worker.data}.layout`, { recursive: true });
  assert.equal(pushed.code, 0, pushed.stderr);
}

async function digestAt({ host }: Server, image: string): Promise<string | undefined> {
  const { code, stdout } = await cli(['inspect', `${host}/${image}`, '--output', 'json'], env);
  return code === 0 ? JSON.parse(stdout).digest : undefined;
}

test('a registry without rules says so, and a rule that is not there is not found', async () => {
  assert.match(await done('status', worker.host), /there are no replication rules/);
  const { code, stderr } = await ran('status', `${worker.host}/nothing`);
  assert.deepEqual([code, /has no replication rule nothing; `ne-cli replication status/.test(stderr)], [1, true]);
  assert.equal((await ran('run', worker.host)).code, 2);
});

test('status, run, plan and retry tell of a rule that works', async () => {
  await push('team/app');
  await putRule('mirror', { source: 'registry://main/team/*', targets: [`${other.host}/copy`] });
  assert.match(await done('run', '--wait', '--timeout', '60', `${worker.host}/mirror`), /copy +in step/);
  assert.equal(await digestAt(other, 'copy/app:v1'), await digestAt(worker, 'team/app:v1'));
  assert.match(await done('status', worker.host), /^mirror +in step +registry:\/\/main\/team\/\* → /m);
  const status = JSON.parse(await done('status', `${worker.host}/mirror`, '--output', 'json'));
  assert.ok(status.state.targets[0].bytesTransferred >= 5000);
  assert.ok(!JSON.stringify(status).includes(other.password));
  const { stdout, stderr } = await ran('plan', '--all', `${worker.host}/mirror`);
  assert.match(stdout, /^unchanged team\/app:v1 to .* as copy\/app \(equal\)/);
  assert.match(stderr, /copy 0, delete 0, conflicts 0, as they should be 1; nothing was changed/);
  assert.match(await done('retry', `${worker.host}/mirror`), /no tag of mirror had failed/);
});

test('what failed is told with its reason, and waiting for it ends', async () => {
  await putRule('locked', { source: 'registry://main/team/app', targets: [`${other.host}/locked`] }, 'wrong');
  await until('it to be stalled', async () => {
    return /Stalled: TargetUnauthorized/.test(await done('status', `${worker.host}/locked`));
  });
  assert.match(await done('status', worker.host), /^locked +TargetUnauthorized/m);
  const waited = await ran('run', '--wait', '--timeout', '1', `${worker.host}/locked`);
  assert.equal(waited.code, 1);
  assert.match(waited.stderr, /not in step within 1 s; it goes on by itself/);
  const plan = await ran('plan', `${worker.host}/locked`);
  assert.equal(plan.code, 1);
  assert.match(plan.stdout, /^error team\/app at .*\/locked: TargetUnauthorized/);
  assert.equal((await ran('plan', `${worker.host}/nothing`)).code, 1);
});
