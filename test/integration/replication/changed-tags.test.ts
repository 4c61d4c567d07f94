/** What a changed tag costs between two Registries: counted at the line between them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type FaultProxy, startFaultProxy } from '../../programs/fault-proxy.ts';
import { imageType } from '../registry/client.ts';
import { connectionTo, type Site, self, startSite, until } from './lab.ts';

const count = 60;
const changed = 20;
let a: Site;
let b: Site;
let line: FaultProxy;
before(async () => {
  [a, b] = await Promise.all([startSite(), startSite()]);
  line = await startFaultProxy(b.server.host);
});
after(async () => {
  await line.close();
  await Promise.all([a.server.discard(), b.server.discard()]);
});

/** Two images, the first of them under sixty tags; and a function that moves twenty of those to the second. */
async function fill(site: Site, repository: string): Promise<() => Promise<void>> {
  const [one, two] = [await site.pushImage(repository, 'one'), await site.pushImage(repository, 'two')];
  const tag = async ({ bytes, digest }: typeof one, from: number, to: number) => {
    const names = Array.from({ length: to - from }, (_, at) => ['tag', `t${from + at}`]);
    const path = `/v2/${repository}/manifests/${digest}?${new URLSearchParams(names)}`;
    const answer = await site.request('PUT', path, { body: bytes, headers: { 'content-type': imageType } });
    assert.equal(answer.status, 201);
  };
  await tag(one, 0, count);
  return async () => await tag(two, 10, 10 + changed);
}

interface Errands {
  readonly repository: string;
  readonly works: Site;
  readonly source: Site;
  readonly target: Site;
  /** What makes the rule look. */
  readonly look?: () => Promise<unknown>;
}

/** Requests on the line from when the tags are moved until the target has them so. */
async function requestsOf({ repository, works, source, target, look }: Errands, move: () => Promise<void>) {
  await until('the first copy', async () => (await works.state(repository.replace('/', '-'))).targets[0]?.lastSuccess);
  assert.deepEqual(await target.tags(repository), await source.tags(repository));
  const from = line.requests.length;
  await move();
  await look?.();
  const two = await source.tag(repository, 'two');
  await until('the moved tags', async () => {
    const tags = await target.tags(repository);
    return Object.values(tags).filter((digest) => digest === two).length === changed + 1;
  });
  assert.deepEqual(await target.tags(repository), await source.tags(repository));
  return line.requests.slice(from);
}

const isList = (request: string) => request.includes('/tags/list?n=1000');
const run = (site: Site, name: string) => () => site.request('POST', `/admin/v1/rules/replication/${name}/run`);

test('a comparison that finds tags moved to images that the target has writes them, and asks for nothing but the list', async () => {
  const move = await fill(a, 'pass/app');
  const spec = { source: 'here.example/pass/app', targets: [`${line.host}/pass/app`], triggers: { onPush: false } };
  await a.rule('pass-app', spec, [self, connectionTo(b.server, line.host)]);
  const errands = { repository: 'pass/app', works: a, source: a, target: b, look: run(a, 'pass-app') };
  const requests = await requestsOf(errands, move);
  const [lists, others] = [requests.filter(isList), requests.filter((each) => !isList(each))];
  assert.ok(lists.length <= 2, lists.join('\n'));
  assert.equal(others.length, changed, others.join('\n'));
  assert.ok(
    others.every((each) => each.startsWith('PUT /v2/pass/app/manifests/t')),
    others.join('\n'),
  );
});

test('a push that moves a tag asks the target one question', async () => {
  const move = await fill(a, 'push/app');
  const spec = { source: 'here.example/push/app', targets: [`${line.host}/push/app`] };
  await a.rule('push-app', spec, [self, connectionTo(b.server, line.host)]);
  const requests = await requestsOf({ repository: 'push/app', works: a, source: a, target: b }, move);
  const questions = requests.filter((each) => /^(GET|HEAD) /.test(each) && !isList(each));
  assert.ok(questions.length <= changed, questions.join('\n'));
});

test('a changed tag of a Registry that is pulled from is one request to it', async () => {
  const move = await fill(b, 'pull/app');
  const spec = { source: `${line.host}/pull/app`, targets: ['here.example/pull/app'] };
  await a.rule('pull-app', spec, [self, connectionTo(b.server, line.host)]);
  const errands = { repository: 'pull/app', works: a, source: b, target: a, look: run(a, 'pull-app') };
  const requests = await requestsOf(errands, move);
  const [lists, others] = [requests.filter(isList), requests.filter((each) => !isList(each))];
  assert.ok(lists.length <= 2, lists.join('\n'));
  assert.ok(others.length <= changed, others.join('\n'));
});
