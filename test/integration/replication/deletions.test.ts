import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultProxy, startFaultProxy } from '../../programs/fault-proxy.ts';
import { connectionTo, type Site, self, startSite, until } from './lab.ts';

let a: Site;
let b: Site;
let line: FaultProxy;
const retry = { minInterval: '1s', maxInterval: '1s' };
before(async () => {
  [a, b] = await Promise.all([startSite(), startSite()]);
  line = await startFaultProxy(a.server.host);
});
after(async () => {
  await line.close();
  await Promise.all([a.server.discard(), b.server.discard()]);
});

async function push(repository: string, tags: readonly string[]): Promise<void> {
  for (const tag of tags) await a.pushImage(repository, tag);
}

/** A rule at b that takes a repository from a, over the line. */
async function mirror(name: string, deletion: object): Promise<void> {
  const spec = { source: `${line.host}/${name}/app`, targets: [`here.example/${name}/app`], retry, deletion };
  await b.rule(name, spec, [self, connectionTo(a.server, line.host)]);
}

async function compareAgain(name: string): Promise<void> {
  const before = (await b.state(name)).lastPlan?.time ?? '';
  await b.request('POST', `/admin/v1/rules/replication/${name}/run`);
  await until('a comparison', async () => ((await b.state(name)).lastPlan?.time ?? '') > before);
}

const names = async (repository: string) => Object.keys(await b.tags(repository));

test('what the source deletes goes when two listings lack it and its time is over; what was never copied stays', async () => {
  await push('gone/app', ['1', '2', '3']);
  await b.pushImage('gone/app', 'own');
  await mirror('gone', { policy: 'Propagate', delay: '8s' });
  await until('the copies', async () => (await names('gone/app')).length === 4);
  await until('the end', async () => (await b.state('gone')).targets[0]?.lastSuccess);
  await a.request('DELETE', '/v2/gone/app/manifests/2');
  await compareAgain('gone');
  assert.deepEqual(await names('gone/app'), ['1', '2', '3', 'own']);
  await until('it to go', async () => !(await names('gone/app')).includes('2'));
  assert.deepEqual(await names('gone/app'), ['1', '3', 'own']);
});

test('without a word about deletions nothing is deleted', async () => {
  await push('kept/app', ['1', '2']);
  await mirror('kept', { policy: 'Ignore' });
  await until('the copies', async () => (await names('kept/app')).length === 2);
  await a.request('DELETE', '/v2/kept/app/manifests/2');
  await compareAgain('kept');
  await compareAgain('kept');
  assert.deepEqual(await names('kept/app'), ['1', '2']);
});

test('more deletions than maxPerRun are none, and a condition says so', async () => {
  await push('many/app', ['1', '2', '3', '4']);
  await mirror('many', { policy: 'Propagate', delay: '0s', maxPerRun: 2 });
  await until('the copies', async () => (await names('many/app')).length === 4);
  await until('the end', async () => (await b.state('many')).targets[0]?.lastSuccess);
  for (const tag of ['1', '2', '3']) await a.request('DELETE', `/v2/many/app/manifests/${tag}`);
  await compareAgain('many');
  await compareAgain('many');
  const state = await until('the condition', async () => {
    const told = await b.state('many');
    return told.problems.some(({ type }) => type === 'DeletionHalted') && told;
  });
  assert.match(state.problems[0]?.message ?? '', /lacks 3 tags .*maxPerRun is 2/);
  assert.deepEqual(await names('many/app'), ['1', '2', '3', '4']);
  const metrics = (await b.request('GET', '/metrics')).body.toString();
  assert.match(metrics, /ne_replication_deletions_halted\{rule="many"\} 3/);
  await a.pushImage('many/app', '1');
  await compareAgain('many');
  await compareAgain('many');
  await until('two to go', async () => (await names('many/app')).length === 2);
  assert.deepEqual(await names('many/app'), ['1', '4']);
});

test('a source that answers an empty list, or fails with a page of it, deletes nothing', async () => {
  await push('liar/app', ['1', '2', '3']);
  await mirror('liar', { policy: 'Propagate', delay: '0s' });
  await until('the copies', async () => (await names('liar/app')).length === 3);
  await until('the end', async () => (await b.state('liar')).targets[0]?.lastSuccess);
  const json = { 'content-type': 'application/json' };
  const list = (url = '') => url.includes('/liar/app/tags/list');
  line.plan = ({ url }) =>
    list(url) ? { status: 200, headers: json, body: '{"name":"liar/app","tags":[]}' } : undefined;
  for (let times = 0; times < 3; times++) await compareAgain('liar');
  assert.deepEqual(await names('liar/app'), ['1', '2', '3']);

  line.plan = ({ url }) =>
    list(url) ? { status: 404, headers: json, body: '{"errors":[{"code":"NAME_UNKNOWN"}]}' } : undefined;
  for (let times = 0; times < 3; times++) await compareAgain('liar');
  assert.deepEqual(await names('liar/app'), ['1', '2', '3']);

  line.plan = ({ url }) => {
    if (!list(url)) return undefined;
    if (url?.includes('last=')) return { status: 500 };
    return {
      status: 200,
      headers: { ...json, link: '</v2/liar/app/tags/list?n=1&last=1>; rel="next"' },
      body: '{"name":"liar/app","tags":["1"]}',
    };
  };
  await b.request('POST', '/admin/v1/rules/replication/liar/run');
  await until('the failure', async () =>
    (await b.state('liar')).problems.some(({ reason }) => reason === 'SourceServerFailed'),
  );
  await sleep(3000);
  assert.deepEqual(await names('liar/app'), ['1', '2', '3']);

  line.plan = () => undefined;
  await a.request('DELETE', '/v2/liar/app/manifests/2');
  await until('what is gone indeed', async () => !(await names('liar/app')).includes('2'));
});
