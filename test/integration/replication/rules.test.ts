import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { newSigningKey } from '../../../src/registry/auth/signing-key.ts';
import { connectionTo, type Site, self, startSite, until } from './lab.ts';

let a: Site;
let b: Site;
before(async () => {
  [a, b] = await Promise.all([startSite(), startSite()]);
});
after(async () => {
  await Promise.all([a.server.discard(), b.server.discard()]);
});

const json = { 'content-type': 'application/json' };
const put = (name: string, body: object) =>
  a.request('PUT', `/admin/v1/rules/replication/${name}`, { body: Buffer.from(JSON.stringify(body)), headers: json });

test('a rule that is wrong is refused with every problem, and nothing of it is kept', async () => {
  const spec = { source: 'https://x/y', targets: ['registry://far/x'], suspend: 'no' };
  const answer = await put('wrong', { uid: 'u', generation: 1, spec, connections: [{ host: '' }] });
  assert.equal(answer.status, 400);
  const { errors } = answer.json() as { errors: { detail: { problems: string[] } }[] };
  const fields = errors[0]?.detail.problems.map((problem) => problem.split(':', 1)[0]);
  assert.deepEqual(fields?.sort(), ['connections[0].host', 'spec.source', 'spec.suspend']);
  assert.equal((await a.request('GET', '/admin/v1/rules/replication/wrong')).status, 404);
});

test('credentials are shown to nobody, and nobody but administrators sees rules and plans', async () => {
  const spec = { source: 'here.example/app', targets: [`${b.server.host}/app`], schedule: '@daily' };
  await a.rule('shown', spec, [self, connectionTo(b.server)]);
  const shown = await a.request('GET', '/admin/v1/rules/replication/shown');
  const listed = await a.request('GET', '/admin/v1/rules/replication');
  for (const { body } of [shown, listed]) assert.ok(!body.toString().includes(b.server.password));
  assert.deepEqual((shown.json() as { spec: object }).spec, spec);
  const files = readFileSync(join(a.server.data, 'metadata.db'));
  assert.ok(!files.includes(b.server.password));
  assert.ok(!a.server.log.some((line) => line.includes(b.server.password)));
  for (const path of ['/admin/v1/replication/shown/plan', '/admin/v1/rules/replication/shown']) {
    assert.equal((await a.request('GET', path, { authorization: null })).status, 401);
  }
  assert.equal((await a.request('GET', '/admin/v1/replication/none/plan')).status, 404);
  assert.equal((await a.request('POST', '/admin/v1/replication/none/retry')).status, 404);
});

test('wrong credentials stall the rule, and right ones take it up again', async () => {
  const { digest } = await a.pushImage('login/app', '1');
  const spec = {
    source: 'here.example/login/app',
    targets: [`${b.server.host}/login/app`],
    retry: { minInterval: '1s', maxInterval: '1s' },
  };
  await a.rule('login', spec, [self, { ...connectionTo(b.server), password: 'wrong' }]);
  const state = await until('the problem', async () => {
    const told = await a.state('login');
    return told.problems.length > 0 && told;
  });
  assert.deepEqual(
    state.problems.map(({ type, reason }) => [type, reason]),
    [['Stalled', 'TargetUnauthorized']],
  );
  assert.match(state.problems[0]?.message ?? '', /connections\[\]\.secretRef/);
  await a.rule('login', spec, [self, connectionTo(b.server)]);
  await until('the image', async () => (await b.tag('login/app', '1')) === digest);
  await until('no problem', async () => (await a.state('login')).problems.length === 0);
});

test('one target of two with wrong credentials keeps the other from nothing, and the rule is out of step, not stalled', async () => {
  const { digest } = await a.pushImage('two/app', '1');
  const elsewhere = `localhost:${b.server.host.split(':')[1]}`;
  const targets = [`${b.server.host}/two-good`, `${elsewhere}/two-bad`];
  const spec = { source: 'here.example/two/*', targets, retry: { minInterval: '1s', maxInterval: '1s' } };
  const good = connectionTo(b.server);
  await a.rule('two', spec, [self, good, { ...connectionTo(b.server, elsewhere), password: 'wrong' }]);
  await until('the image at the good one', async () => (await b.tag('two-good/app', '1')) === digest);
  const told = async () => (await a.state('two')).problems.map(({ type, reason }) => [type, reason].join());
  await until('the problem of the other', async () => (await told()).join() === 'InSync,TargetUnauthorized');
  const next = await a.pushImage('two/app', '2');
  await until('the next one', async () => (await b.tag('two-good/app', '2')) === next.digest);
  assert.deepEqual(await told(), ['InSync,TargetUnauthorized']);

  await a.rule('two', spec, [
    self,
    ...[elsewhere, b.server.host].map((host) => ({ ...connectionTo(b.server, host), password: 'wrong' })),
  ]);
  await until('the whole rule to be stalled', async () => (await told()).join() === 'Stalled,TargetUnauthorized');
  await a.rule('two', spec, [self, good, connectionTo(b.server, elsewhere)]);
  await until('both to have all', async () => (await b.tag('two-bad/app', '2')) === next.digest);
  await until('no problem', async () => (await told()).length === 0);
});

test('a rule that is gone copies no more, and what it copied stays', async () => {
  await a.rule('leaving', { source: 'here.example/leaving/*', targets: [`${b.server.host}/leaving`] }, [
    self,
    connectionTo(b.server),
  ]);
  await a.pushImage('leaving/app', '1');
  await until('the image', async () => (await b.tag('leaving/app', '1')) !== undefined);
  assert.equal((await a.request('DELETE', '/admin/v1/rules/replication/leaving')).status, 204);
  await until(
    'its metrics to go',
    async () => !(await a.request('GET', '/metrics')).body.toString().includes('rule="leaving",target'),
  );
  await a.pushImage('leaving/app', '2');
  assert.deepEqual(Object.keys(await b.tags('leaving/app')), ['1']);
});

test('what clusters use is not deleted because another registry deleted it', async () => {
  const c = await startSite({ inUse: ['prod'] });
  try {
    for (const tag of ['used', 'free']) await a.pushImage('pinned/app', tag);
    const spec = {
      source: `${a.server.host}/pinned/app`,
      targets: ['here.example/pinned/app'],
      deletion: { policy: 'Propagate', delay: '0s' },
    };
    await c.rule('pinned', spec, [self, connectionTo(a.server)]);
    await until('the copies', async () => Object.keys(await c.tags('pinned/app')).length === 2);
    const report = {
      apiVersion: 'inventory.ne-registry.io/v1alpha1',
      reportedAt: new Date().toISOString(),
      images: [{ image: 'any.example/pinned/app:used', by: ['Deployment shop/web'] }],
    };
    const told = await c.request('PUT', '/admin/v1/inventories/prod', {
      body: Buffer.from(JSON.stringify(report)),
      headers: json,
    });
    assert.equal(told.status, 204, told.body.toString());
    for (const tag of ['used', 'free']) await a.request('DELETE', `/v2/pinned/app/manifests/${tag}`);
    await c.request('POST', '/admin/v1/rules/replication/pinned/run');
    await until('the free one to go', async () => Object.keys(await c.tags('pinned/app')).join() === 'used');
    const state = await until('a word about it', async () => {
      const now = await c.state('pinned');
      return now.problems.length > 0 && now;
    });
    assert.deepEqual(
      state.problems.map(({ type, reason }) => [type, reason]),
      [['DeletionHalted', 'DeletionFailed']],
    );
    assert.match(state.problems[0]?.message ?? '', /pinned\/app:used .*Deployment shop\/web/);
    const versioned = { 'ne-tag-version': '999', 'ne-tag-origin': 'elsewhere' };
    assert.equal((await c.request('DELETE', '/v2/pinned/app/manifests/used', { headers: versioned })).status, 403);
  } finally {
    await c.server.discard();
  }
});

test('rules survive a restart; with another key their credentials are lost, and the state says so', async () => {
  await a.rule('key', { source: 'here.example/key/*', targets: [`${b.server.host}/key`] }, [
    self,
    connectionTo(b.server),
  ]);
  await until('it to be taken up', async () => (await a.state('key')).targets[0]?.lastSuccess);
  await a.server.stop();
  a = await startSite({ data: a.server.data });
  const { digest } = await a.pushImage('key/app', '1');
  await until('the image', async () => (await b.tag('key/app', '1')) === digest);
  await a.server.stop();
  writeFileSync(join(a.server.data, 'token.key'), newSigningKey(), { mode: 0o600 });
  a = await startSite({ data: a.server.data });
  const state = await until('the loss', async () => {
    const told = await a.state('key');
    return told.problems.length > 0 && told;
  });
  assert.deepEqual(
    state.problems.map(({ type, reason }) => [type, reason]),
    [['Stalled', 'CredentialsLost']],
  );
  await a.rule('key', { source: 'here.example/key/*', targets: [`${b.server.host}/key`] }, [
    self,
    connectionTo(b.server),
  ]);
  await until('no problem', async () => (await a.state('key')).problems.length === 0);
});
