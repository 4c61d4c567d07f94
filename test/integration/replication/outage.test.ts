import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultProxy, first, startFaultProxy } from '../../programs/fault-proxy.ts';
import { connectionTo, type Site, self, startSite, until } from './lab.ts';

let a: Site;
let b: Site;
let line: FaultProxy;
const retry = { minInterval: '1s', maxInterval: '2s' };
before(async () => {
  [a, b] = await Promise.all([startSite(), startSite()]);
  line = await startFaultProxy(b.server.host);
});
after(async () => {
  await line.close();
  await Promise.all([a.server.discard(), b.server.discard()]);
});

function throughTheLine(): object[] {
  return [self, connectionTo(b.server, line.host)];
}

async function metric(site: Site, name: string): Promise<number> {
  const answer = await site.request('GET', '/metrics');
  const found = new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(answer.body.toString());
  return Number(found?.[1]);
}

test('what is pushed while the target is down arrives when it is back, and the lag tells of it meanwhile', async () => {
  await a.rule('outage', { source: 'here.example/out/*', targets: [`${line.host}/out`], retry }, throughTheLine());
  const one = await a.pushImage('out/app', '0');
  await until('the first', async () => (await b.tag('out/app', '0')) === one.digest);
  await until('nothing to do', async () => (await a.state('outage')).targets[0]?.lastSuccess);
  await line.down();
  const pushed: Record<string, string> = { 0: one.digest };
  for (let tag = 1; tag <= 20; tag++) pushed[tag] = (await a.pushImage('out/app', String(tag))).digest;
  const down = await until('a word about it', async () => {
    const state = await a.state('outage');
    return state.problems.length > 0 && state.targets[0]?.pending === 20 && state;
  });
  assert.equal(down.problems[0]?.reason, 'TargetUnreachable');
  await until('the lag to rise', async () => (await metric(a, 'ne_replication_lag_seconds')) >= 2);
  assert.deepEqual(await b.tags('out/app'), { 0: one.digest });

  await line.up();
  await until('all of them', async () => Object.keys(await b.tags('out/app')).length === 21);
  assert.deepEqual(await b.tags('out/app'), pushed);
  const back = await until('nothing to do', async () => {
    const state = await a.state('outage');
    return state.targets[0]?.pending === 0 && state.problems.length === 0 && state;
  });
  assert.deepEqual(back.problems, []);
  assert.equal(await metric(a, 'ne_replication_lag_seconds'), 0);
});

test('a registry that is killed in the middle goes on where it was, with nobody telling it', async () => {
  const few = 5;
  let copied = 0;
  line.plan = ({ method, url }) => {
    if (method !== 'PUT' || !url?.includes('/manifests/')) return undefined;
    // The others are on their way, for as long as it takes to kill who sent them.
    return { latencyMs: copied++ < few ? 300 : 20_000 };
  };
  const pushed: Record<string, string> = {};
  for (let tag = 0; tag < 40; tag++) pushed[tag] = (await a.pushImage('kill/app', String(tag))).digest;
  await a.rule('killed', { source: 'here.example/kill/*', targets: [`${line.host}/kill`], retry }, throughTheLine());
  await until('some', async () => Object.keys(await b.tags('kill/app')).length > 0);
  await a.server.kill();
  const some = Object.keys(await b.tags('kill/app')).length;
  assert.ok(some < 40, `killed too late: ${some}`);
  line.plan = () => undefined;
  a = await startSite({ data: a.server.data });
  await until('all', async () => Object.keys(await b.tags('kill/app')).length === 40);
  assert.deepEqual(await b.tags('kill/app'), pushed);
});

test('one image that cannot be copied does not keep the others, and is told of', async () => {
  const bad = await a.pushImage('one/app', 'bad');
  line.plan = ({ method, url }) =>
    method === 'PUT' && url?.includes('/manifests/bad')
      ? { status: 400, body: '{"errors":[{"code":"MANIFEST_INVALID","message":"no"}]}' }
      : undefined;
  await a.rule('one', { source: 'here.example/one/*', targets: [`${line.host}/one`], retry }, throughTheLine());
  const good = await a.pushImage('one/app', 'good');
  await until('the good one', async () => (await b.tag('one/app', 'good')) === good.digest);
  const state = await until('the failure', async () => {
    const told = await a.state('one');
    return told.targets[0]?.failed === 1 && told;
  });
  assert.equal(state.targets[0]?.failures[0]?.reference, 'one/app:bad');
  assert.match(state.targets[0]?.failures[0]?.message ?? '', /MANIFEST_INVALID/);
  line.plan = () => undefined;
  await a.request('POST', '/admin/v1/replication/one/retry');
  await until('the bad one', async () => (await b.tag('one/app', 'bad')) === bad.digest);
  await until('nothing to tell', async () => (await a.state('one')).targets[0]?.failed === 0);
});

test('a tag that moves while it is copied ends as the newer image, and is never incomplete', async () => {
  let moved: { digest: string } | undefined;
  line.plan = first(1, ({ method, url }) => method === 'PUT' && (url ?? '').includes('/manifests/'), {
    latencyMs: 1500,
  });
  await a.rule(
    'moving',
    { source: 'here.example/moving/*', targets: [`${line.host}/moving`], retry },
    throughTheLine(),
  );
  await a.pushImage('moving/app', 'latest');
  await until('the first copy to begin', async () =>
    line.requests.some((each) => each.includes('PUT /v2/moving/app/manifests/latest')),
  );
  moved = await a.pushImage('moving/app', 'latest');
  await until('the newer one', async () => (await b.tag('moving/app', 'latest')) === moved?.digest);
  await sleep(500);
  assert.equal(await b.tag('moving/app', 'latest'), moved.digest);
  line.plan = () => undefined;
});

test('suspending a rule ends what is under way within a second', async () => {
  line.plan = ({ method, url }) =>
    method === 'PUT' && url?.includes('/manifests/') ? { latencyMs: 20_000 } : undefined;
  const spec = { source: 'here.example/slow/*', targets: [`${line.host}/slow`], retry };
  await a.rule('slow', spec, throughTheLine());
  await a.pushImage('slow/app', '1');
  await until('the copy to begin', async () =>
    line.requests.some((each) => each.includes('PUT /v2/slow/app/manifests')),
  );
  await a.rule('slow', { ...spec, suspend: true }, throughTheLine());
  const began = Date.now();
  const generation = await until('the new generation', async () => {
    const state = await a.state('slow');
    return state.targets[0]?.pending === 0 && state.generation;
  });
  assert.ok(generation);
  assert.ok(Date.now() - began < 4000, `${Date.now() - began} ms`);
  line.plan = () => undefined;
});
