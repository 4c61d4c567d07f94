import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectionTo, type Site, self, startSite, until } from './lab.ts';

let a: Site;
let b: Site;
const deletion = { policy: 'Propagate', delay: '1s' };
before(async () => {
  [a, b] = await Promise.all([startSite(), startSite()]);
  await a.rule('to-b', { source: 'here.example/both/*', targets: [`${b.server.host}/both`], deletion }, [
    self,
    connectionTo(b.server),
  ]);
  await b.rule('to-a', { source: 'here.example/both/*', targets: [`${a.server.host}/both`], deletion }, [
    self,
    connectionTo(a.server),
  ]);
});
after(async () => {
  await Promise.all([a.server.discard(), b.server.discard()]);
});

const accept = 'application/vnd.ne-registry.tags.v1+json';
/** All that is known of tags: versions and tombstones too. */
async function records(site: Site, repository: string): Promise<unknown> {
  const answer = await site.request('GET', `/v2/${repository}/tags/list`, { headers: { accept } });
  const { tags } = answer.json() as {
    tags: { tag: string; digest: string; version: number; origin: string; deleted?: string }[];
  };
  return tags.map(({ tag, digest, version, origin, deleted }) => ({ tag, digest, version, origin, deleted }));
}

async function agree(repository: string, what: string): Promise<unknown> {
  return until(what, async () => {
    const [here, there] = [await records(a, repository), await records(b, repository)];
    return JSON.stringify(here) === JSON.stringify(there) && here;
  });
}

const rules = () =>
  [
    [a, 'to-b'],
    [b, 'to-a'],
  ] as const;

async function isDone(site: Site, name: string): Promise<boolean> {
  const [target] = (await site.state(name)).targets;
  return target?.pending === 0 && target.lastSuccess !== undefined;
}

/** Has both compare, and waits until they have. */
async function compareAgain(): Promise<void> {
  for (const [site, name] of rules()) {
    const before = (await site.state(name)).lastPlan?.time ?? '';
    await site.request('POST', `/admin/v1/rules/replication/${name}/run`);
    await until('a comparison', async () => ((await site.state(name)).lastPlan?.time ?? '') > before);
    await until('its end', () => isDone(site, name));
  }
}

test('what is pushed at either end is at both, and then both are silent', async () => {
  const one = await a.pushImage('both/app', 'from-a');
  const two = await b.pushImage('both/app', 'from-b');
  await until('both tags at b', async () => (await b.tag('both/app', 'from-a')) === one.digest);
  await until('both tags at a', async () => (await a.tag('both/app', 'from-b')) === two.digest);
  const known = await agree('both/app', 'the same records');
  for (const [site, name] of rules()) await until('nothing to do', () => isDone(site, name));
  const pushes = (site: Site) =>
    site.server.log.filter((line) => /"method":"(PUT|POST|PATCH|DELETE)"/.test(line) && line.includes('/v2/both'))
      .length;
  const before = await until('the last line about it', async () => {
    const seen = [pushes(a), pushes(b)];
    await sleep(1000);
    return seen.join() === [pushes(a), pushes(b)].join() && seen;
  });
  await compareAgain();
  await sleep(1500);
  assert.deepEqual([pushes(a), pushes(b)], before);
  assert.deepEqual(await records(a, 'both/app'), known);
});

test('a tag that is moved at both ends comes to the same image, once', async () => {
  await a.pushImage('both/race', 'latest');
  await agree('both/race', 'the tag at both');
  const moved = await Promise.all([a.pushImage('both/race', 'latest'), b.pushImage('both/race', 'latest')]);
  const settled = (await agree('both/race', 'one of the two')) as { digest: string }[];
  assert.ok(moved.some(({ digest }) => digest === settled[0]?.digest));
  await sleep(1500);
  assert.deepEqual(await records(a, 'both/race'), settled);
  assert.deepEqual(await records(b, 'both/race'), settled);
});

test('a tag that is deleted at one end goes at the other, and does not come back', async () => {
  await a.pushImage('both/gone', 'old');
  await a.pushImage('both/gone', 'kept');
  await agree('both/gone', 'both tags at both');
  assert.equal((await b.request('DELETE', '/v2/both/gone/manifests/old')).status, 202);
  await until('gone at a too', async () => (await a.tag('both/gone', 'old')) === undefined);
  await compareAgain();
  await sleep(1500);
  assert.deepEqual(
    [Object.keys(await a.tags('both/gone')), Object.keys(await b.tags('both/gone'))],
    [['kept'], ['kept']],
  );
  const again = await a.pushImage('both/gone', 'old');
  await until('pushed again', async () => (await b.tag('both/gone', 'old')) === again.digest);
});
