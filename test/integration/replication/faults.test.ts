/** What goes wrong between two registries ends in equal registries, or in no tag and a word about it. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultProxy, first, startFaultProxy } from '../../programs/fault-proxy.ts';
import { digestOf, imageType, indexType } from '../registry/client.ts';
import { connectionTo, type RuleState, type Site, self, startSite, until } from './lab.ts';

let a: Site;
let b: Site;
let line: FaultProxy;
const retry = { minInterval: '1s', maxInterval: '1s' };
before(async () => {
  [a, b] = await Promise.all([startSite(), startSite()]);
  line = await startFaultProxy(a.server.host);
});
beforeEach(() => {
  line.plan = () => undefined;
});
after(async () => {
  await line.close();
  await Promise.all([a.server.discard(), b.server.discard()]);
});

/** A rule at b that takes what a has, over the line. */
async function pull(name: string): Promise<void> {
  await b.rule(name, { source: `${line.host}/${name}/app`, targets: [`here.example/${name}/app`], retry }, [
    self,
    connectionTo(a.server, line.host),
  ]);
}

async function failure(name: string): Promise<RuleState['targets'][number]['failures'][number]> {
  return until('the failure', async () => (await b.state(name)).targets[0]?.failures[0]);
}

test('bytes that are damaged on their way are no image, and right ones become one', async () => {
  const { digest, layer } = await a.pushImage('damaged/app', '1');
  line.plan = ({ url }) => (url?.includes(`/blobs/${layer}`) ? { corruptByteAt: 7 } : undefined);
  await pull('damaged');
  const told = await failure('damaged');
  assert.deepEqual([told.reference, told.reason], ['damaged/app:1', 'Corrupt']);
  assert.equal(await b.tag('damaged/app', '1'), undefined);
  assert.equal((await b.request('HEAD', `/v2/damaged/app/blobs/${layer}`)).status, 404);
  line.plan = () => undefined;
  await until('the image', async () => (await b.tag('damaged/app', '1')) === digest);
});

test('a body that is cut, an answer of 500, and 429 with a time to wait end in the image', async () => {
  const { digest, layer } = await a.pushImage('hurdles/app', '1');
  const hurdles = [
    first(1, ({ url }) => url?.includes(`/blobs/${layer}`) ?? false, { cutAnswerAfter: 20 }),
    first(2, ({ url }) => url?.includes('/manifests/') ?? false, { status: 500 }),
    first(1, ({ url }) => url?.includes('/tags/list') ?? false, { status: 429, headers: { 'retry-after': '1' } }),
    first(1, ({ url }) => url?.includes('/blobs/') ?? false, {
      status: 401,
      headers: { 'www-authenticate': `Bearer realm="http://${line.host}/token",service="x"` },
    }),
  ];
  line.plan = (request) => hurdles.map((hurdle) => hurdle(request)).find((fault) => fault !== undefined);
  await pull('hurdles');
  await until('the image', async () => (await b.tag('hurdles/app', '1')) === digest);
});

test('an index whose child is missing at the source gets no tag, and the other images theirs', async () => {
  const child = { mediaType: imageType, digest: digestOf(Buffer.from('nothing')), size: 7 };
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [child] }));
  const put = await a.request('PUT', '/v2/childless/app/manifests/broken', {
    body: bytes,
    headers: { 'content-type': indexType },
  });
  assert.equal(put.status, 201);
  const { digest } = await a.pushImage('childless/app', 'whole');
  await pull('childless');
  await until('the whole one', async () => (await b.tag('childless/app', 'whole')) === digest);
  const told = await failure('childless');
  assert.deepEqual([told.reference, told.reason], ['childless/app:broken', 'SourceNotFound']);
  assert.deepEqual(Object.keys(await b.tags('childless/app')), ['whole']);
});

test('a source whose lists of referrers go round in a circle is copied, and that ends', async () => {
  const image = await a.pushImage('circle/app', '1');
  const note = await a.pushImage('circle/app', 'note', {
    subject: { mediaType: imageType, digest: image.digest, size: image.bytes.length },
  });
  const entry = (digest: string, size: number) => ({ mediaType: imageType, digest, size });
  const listOf = (entries: object[]) => ({
    status: 200,
    headers: { 'content-type': indexType },
    body: JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: entries }),
  });
  line.plan = ({ url }) => {
    if (url?.includes(`/referrers/${image.digest}`)) return listOf([entry(note.digest, note.bytes.length)]);
    return url?.includes('/referrers/')
      ? listOf([entry(image.digest, image.bytes.length), entry(note.digest, note.bytes.length)])
      : undefined;
  };
  await pull('circle');
  await until(
    'both',
    async () =>
      (await b.tag('circle/app', '1')) === image.digest && (await b.tag('circle/app', 'note')) === note.digest,
  );
  await until('the end', async () => (await b.state('circle')).targets[0]?.lastSuccess);
});

test('a target without room gets no tag and keeps nothing half, and the rule waits', async () => {
  const back = await startFaultProxy(b.server.host);
  try {
    const { digest, layer } = await a.pushImage('full/app', '1');
    const full = { status: 507, body: '{"errors":[{"code":"DENIED","message":"quota exceeded"}]}' };
    const uploads = ['POST', 'PUT'];
    back.plan = ({ method = '', url }) =>
      uploads.includes(method) && url?.includes('/blobs/uploads/') ? full : undefined;
    await a.rule('full', { source: 'here.example/full/app', targets: [`${back.host}/full/app`], retry }, [
      self,
      connectionTo(b.server, back.host),
    ]);
    const told = await until('the failure', async () => (await a.state('full')).targets[0]?.failures[0]);
    assert.deepEqual([told.reference, told.reason], ['full/app:1', 'TargetQuotaExceeded']);
    await sleep(1500);
    assert.equal(await b.tag('full/app', '1'), undefined);
    assert.equal((await b.request('HEAD', `/v2/full/app/blobs/${layer}`)).status, 404);
    back.plan = () => undefined;
    await until('the image', async () => (await b.tag('full/app', '1')) === digest);
  } finally {
    await back.close();
  }
});
