import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectionTo, type Site, self, startSite, until } from './lab.ts';

let a: Site;
let b: Site;
before(async () => {
  [a, b] = await Promise.all([startSite(), startSite()]);
});
after(async () => {
  await Promise.all([a.server.discard(), b.server.discard()]);
});

async function mirror(name: string, onConflict: string): Promise<{ digest: string }> {
  const image = await a.pushImage(`${name}/app`, 'latest');
  const spec = { source: `here.example/${name}/*`, targets: [`${b.server.host}/${name}`], onConflict };
  await a.rule(name, spec, [self, connectionTo(b.server)]);
  await until('the copy', async () => (await b.tag(`${name}/app`, 'latest')) === image.digest);
  return image;
}

const run = (name: string) => a.request('POST', `/admin/v1/rules/replication/${name}/run`);

test('a tag that somebody moved at the target is set back', async () => {
  const { digest } = await mirror('override', 'Override');
  await b.pushImage('override/app', 'latest');
  await run('override');
  await until('the digest of the source', async () => (await b.tag('override/app', 'latest')) === digest);
  // Told after the copy.
  await until('no conflict', async () => (await a.state('override')).targets[0]?.conflicts === 0);
  const next = await a.pushImage('override/app', 'latest');
  await until('the next push', async () => (await b.tag('override/app', 'latest')) === next.digest);
});

test('a tag that somebody moved at the target is left alone with Skip, and a condition says so', async () => {
  const { digest } = await mirror('skip', 'Skip');
  const other = await b.pushImage('skip/app', 'latest');
  await run('skip');
  const state = await until('the conflict', async () => {
    const told = await a.state('skip');
    return told.targets[0]?.conflicts === 1 && told;
  });
  assert.deepEqual(
    state.problems.map(({ type, reason }) => [type, reason]),
    [['Conflicted', 'TagsMoved']],
  );
  assert.match(state.problems[0]?.message ?? '', /skip\/app:latest/);
  await a.pushImage('skip/app', 'other');
  await until('another tag', async () => (await b.tag('skip/app', 'other')) !== undefined);
  assert.equal(await b.tag('skip/app', 'latest'), other.digest);

  const bytes = (await b.request('GET', `/v2/skip/app/manifests/${digest}`)).body;
  const type = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' };
  await b.request('PUT', '/v2/skip/app/manifests/latest', { body: bytes, headers: type });
  await run('skip');
  await until('no conflict', async () => (await a.state('skip')).targets[0]?.conflicts === 0);
});

test('with Fail the rule is not ready while there is a conflict', async () => {
  await mirror('fail', 'Fail');
  await b.request('DELETE', '/v2/fail/app/manifests/latest');
  await run('fail');
  const state = await until('the conflict', async () => {
    const told = await a.state('fail');
    return told.problems.length > 0 && told;
  });
  assert.deepEqual(
    state.problems.map(({ type }) => type),
    ['Conflicted', 'Ready'],
  );
  await sleep(300);
  assert.equal(await b.tag('fail/app', 'latest'), undefined);
});

test('a change from another registry counts only where it is newer, and only from those who may replicate', async () => {
  const { bytes } = await b.pushImage('newer/app', 'latest');
  const other = await b.pushImage('newer/app', 'other');
  const put = (headers: Record<string, string>, body = bytes, authorization?: null) =>
    b.request('PUT', '/v2/newer/app/manifests/latest', {
      body,
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json', ...headers },
      ...(authorization === null && { authorization }),
    });
  const stale = await put({ 'ne-tag-version': '1', 'ne-tag-origin': '0000' }, other.bytes);
  assert.equal(stale.status, 409);
  assert.equal((stale.json() as { errors: { detail: { reason: string } }[] }).errors[0]?.detail.reason, 'superseded');
  assert.equal((await put({ 'ne-tag-version': '7', 'ne-tag-origin': 'elsewhere' }, other.bytes)).status, 201);
  assert.equal(await b.tag('newer/app', 'latest'), other.digest);
  assert.equal((await put({ 'ne-tag-version': '7' })).status, 400);
  assert.equal((await put({ 'ne-tag-version': '-1', 'ne-tag-origin': 'x' })).status, 400);
  const far = await put({ 'ne-tag-version': '999999999999999', 'ne-tag-origin': 'elsewhere' });
  assert.deepEqual([far.status, far.error], [400, 'UNSUPPORTED'], 'no number would be left for the next change');
  const remove = (version: string) =>
    b.request('DELETE', '/v2/newer/app/manifests/latest', {
      headers: { 'ne-tag-version': version, 'ne-tag-origin': 'elsewhere' },
    });
  assert.equal((await remove('999999999999999')).status, 400);
  assert.equal((await remove('6')).status, 409);
  assert.equal((await remove('8')).status, 202);
  assert.equal((await put({ 'ne-tag-version': '8', 'ne-tag-origin': 'a' })).status, 409);
});
