import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type FaultProxy, startFaultProxy } from '../../programs/fault-proxy.ts';
import { imageType } from '../registry/client.ts';
import { connectionTo, type Site, self, startSite, until } from './lab.ts';

const count = 10_000;
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

test('a pass over ten thousand tags with nothing to do asks for lists alone, and one change costs no more than itself', async (t) => {
  const image = await a.pushImage('large/app', 'first');
  await b.pushBlob('large/app', Buffer.from('{}'));
  const layer = await a.request('GET', `/v2/large/app/blobs/${image.layer}`);
  await b.pushBlob('large/app', layer.body);
  for (let first = 0; first < count; first += 100) {
    const query = new URLSearchParams(Array.from({ length: 100 }, (_, at) => ['tag', `t${first + at}`]));
    const push = { body: image.bytes, headers: { 'content-type': imageType } };
    for (const site of [a, b])
      assert.equal((await site.request('PUT', `/v2/large/app/manifests/${image.digest}?${query}`, push)).status, 201);
  }
  await a.rule('large', { source: 'here.example/large/*', targets: [`${line.host}/large`] }, [
    self,
    connectionTo(b.server, line.host),
  ]);
  await until('the first comparison', async () => (await a.state('large')).targets[0]?.lastSuccess, 240_000);
  assert.equal(await b.tag('large/app', 'first'), image.digest);

  const pass = async () => {
    const from = line.requests.length;
    const before = (await a.state('large')).lastPlan?.time ?? '';
    const began = performance.now();
    await a.request('POST', '/admin/v1/rules/replication/large/run');
    const plan = await until(
      'a comparison',
      async () => {
        const { lastPlan, targets } = await a.state('large');
        return (lastPlan?.time ?? '') > before && targets[0]?.pending === 0 && lastPlan;
      },
      240_000,
    );
    return { plan, seconds: (performance.now() - began) / 1000, requests: line.requests.slice(from) };
  };
  const quiet = await pass();
  assert.deepEqual([quiet.plan.copy, quiet.plan.unchanged], [0, count + 1]);
  const lists = quiet.requests.filter((each) => each.includes('/tags/list'));
  assert.ok(lists.length <= count / 1000 + 1, `${lists.length} lists`);
  assert.deepEqual(
    quiet.requests.filter((each) => !each.includes('/tags/list') && !each.includes('/token') && !each.endsWith('/v2/')),
    [],
  );
  t.diagnostic(`a pass over ${count} tags: ${quiet.seconds.toFixed(2)} s, ${quiet.requests.length} requests`);
});
