import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startFaultProxy } from '../../programs/fault-proxy.ts';
import { descriptor, digestOf, imageType, indexType } from '../registry/client.ts';
import { connectionTo, type Site, self, startSite, until } from './lab.ts';

let a: Site;
let b: Site;
before(async () => {
  [a, b] = await Promise.all([startSite(), startSite()]);
});
after(async () => {
  await Promise.all([a.server.discard(), b.server.discard()]);
});

/** An index of images for two platforms. */
async function pushIndex(site: Site, repository: string, tag: string): Promise<{ digest: string; children: string[] }> {
  const children = [];
  for (const architecture of ['amd64', 'arm64']) {
    const { bytes } = await site.pushImage(repository, `${tag}-${architecture}`, { annotations: { architecture } });
    children.push({ ...descriptor(bytes, imageType), platform: { os: 'linux', architecture } });
  }
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: children }));
  const put = await site.request('PUT', `/v2/${repository}/manifests/${tag}`, {
    body: bytes,
    headers: { 'content-type': indexType },
  });
  assert.equal(put.status, 201);
  return { digest: digestOf(bytes), children: children.map(({ digest }) => digest) };
}

async function sign(site: Site, repository: string, subject: string, note: string): Promise<string> {
  const about = await site.request('GET', `/v2/${repository}/manifests/${subject}`);
  const { digest, size } = descriptor(about.body);
  const config = Buffer.from('{}');
  await site.pushBlob(repository, config);
  const layer = Buffer.from(`signature ${note}`);
  await site.pushBlob(repository, layer);
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: imageType,
      artifactType: 'application/example.signature',
      config: descriptor(config, 'application/vnd.oci.empty.v1+json'),
      layers: [descriptor(layer)],
      subject: { mediaType: about.headers.get('content-type'), digest, size },
    }),
  );
  const put = await site.request('PUT', `/v2/${repository}/manifests/${digestOf(bytes)}`, {
    body: bytes,
    headers: { 'content-type': imageType },
  });
  assert.equal(put.status, 201, put.body.toString());
  return digestOf(bytes);
}

async function referrers(site: Site, repository: string, subject: string): Promise<string[]> {
  const answer = await site.request('GET', `/v2/${repository}/referrers/${subject}`);
  return (answer.json() as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest).sort();
}

test('a push is copied within a second or so, with children and signatures, and a later signature follows', async () => {
  await a.rule('push', { source: 'here.example/team/*', targets: [`${b.server.host}/mirror`] }, [
    self,
    connectionTo(b.server),
  ]);
  const early = await pushIndex(a, 'team/app', '1.0');
  const signature = await sign(a, 'team/app', early.digest, 'one');
  await until('the index', async () => (await b.tag('mirror/app', '1.0')) === early.digest);
  for (const child of early.children)
    assert.equal((await b.request('HEAD', `/v2/mirror/app/manifests/${child}`)).status, 200);
  await until('its signature', async () => (await referrers(b, 'mirror/app', early.digest)).includes(signature));

  const late = await sign(a, 'team/app', early.digest, 'two');
  const ofChild = await sign(a, 'team/app', early.children[0] ?? '', 'three');
  await until('the late signature', async () => (await referrers(b, 'mirror/app', early.digest)).includes(late));
  await until('that of a child', async () =>
    (await referrers(b, 'mirror/app', early.children[0] ?? '')).includes(ofChild),
  );

  const began = Date.now();
  const next = await a.pushImage('team/app', '2.0');
  await until('the next push', async () => (await b.tag('mirror/app', '2.0')) === next.digest);
  assert.ok(Date.now() - began < 5000, `${Date.now() - began} ms`);
  const all = await a.tags('team/app');
  // Tags are copied side by side: the last to be pushed need not be the last to come.
  await until('all of them', async () => Object.keys(await b.tags('mirror/app')).length === Object.keys(all).length);
  assert.deepEqual(await b.tags('mirror/app'), all);
});

test('images are pulled into the registry by the same engine, and reading them is no pull', async () => {
  const { digest } = await a.pushImage('tools/cli', 'v1.2.0');
  await a.pushImage('tools/cli', 'nightly');
  await b.rule(
    'pull',
    {
      source: `${a.server.host}/tools/cli`,
      targets: ['here.example/vendor/cli'],
      select: { tags: { semver: '>=1.2' } },
    },
    [self, connectionTo(a.server)],
  );
  await until('the image', async () => (await b.tag('vendor/cli', 'v1.2.0')) === digest);
  await until('the end', async () => (await b.state('pull')).targets[0]?.lastSuccess);
  assert.deepEqual(await b.tags('vendor/cli'), { 'v1.2.0': digest });
});

test('the tag has the version and origin of the source, wherever it comes from', async () => {
  const list = async (site: Site, repository: string) => {
    const accept = 'application/vnd.ne-registry.tags.v1+json';
    const answer = await site.request('GET', `/v2/${repository}/tags/list`, { headers: { accept } });
    assert.equal(answer.headers.get('content-type'), accept);
    return answer.json() as { registry: string; tags: { tag: string; version: number; origin: string }[] };
  };
  const [here, there] = [await list(a, 'tools/cli'), await list(b, 'vendor/cli')];
  assert.notEqual(here.registry, there.registry);
  const stand = (tags: typeof here.tags) =>
    tags.filter(({ tag }) => tag === 'v1.2.0').map(({ version, origin }) => [version, origin]);
  assert.deepEqual(stand(there.tags), stand(here.tags));
  assert.equal(there.tags[0]?.origin, here.registry);
});

test('some platforms of an index are copied, and the index keeps its digest', async () => {
  const index = await pushIndex(a, 'sparse/app', '1.0');
  await a.rule(
    'sparse',
    {
      source: 'here.example/sparse/app',
      targets: [`${b.server.host}/sparse/app`],
      select: { platforms: ['linux/arm64'], tags: { include: ['1.0'] } },
    },
    [self, connectionTo(b.server)],
  );
  await until('the index', async () => (await b.tag('sparse/app', '1.0')) === index.digest);
  const status = async (digest = '') => (await b.request('HEAD', `/v2/sparse/app/manifests/${digest}`)).status;
  assert.deepEqual([await status(index.children[0]), await status(index.children[1])], [404, 200]);
});

test('images go on between two other registries', async () => {
  const c = await startSite();
  try {
    const { digest } = await a.pushImage('third/app', '1.0');
    await c.rule('between', { source: `${a.server.host}/third/app`, targets: [`${b.server.host}/third/copy`] }, [
      connectionTo(a.server),
      connectionTo(b.server),
    ]);
    await until('the image', async () => (await b.tag('third/copy', '1.0')) === digest);
    assert.deepEqual(await c.tags('third/app'), {});
  } finally {
    await c.server.discard();
  }
});

test('nothing is copied in a dry run or while the rule is suspended, and a plan says what would be', async () => {
  const { digest } = await a.pushImage('quiet/app', '1.0');
  const spec = { source: 'here.example/quiet/app', targets: [`${b.server.host}/quiet/app`] };
  const connections = [self, connectionTo(b.server)];
  await a.rule('quiet', { ...spec, dryRun: true }, connections);
  const planned = await until('the plan', async () => (await a.state('quiet')).lastPlan);
  assert.deepEqual([planned.copy, planned.delete, planned.unchanged], [1, 0, 0]);
  const plan = await a.request('GET', '/admin/v1/replication/quiet/plan');
  assert.equal(plan.headers.get('content-type'), 'application/x-ndjson');
  const [line] = plan.body.toString().trim().split('\n');
  assert.deepEqual(JSON.parse(line ?? ''), {
    repository: 'quiet/app',
    tag: '1.0',
    target: spec.targets[0],
    as: 'quiet/app',
    action: 'copy',
    reason: 'new',
    digest,
  });
  await a.rule('quiet', { ...spec, suspend: true }, connections);
  await until('the new generation', async () => (await a.state('quiet')).problems !== undefined);
  await a.pushImage('quiet/app', '2.0');
  assert.deepEqual(await b.tags('quiet/app'), {});
  await a.rule('quiet', spec, connections);
  await until('both', async () => Object.keys(await b.tags('quiet/app')).length === 2);
});

test('images for several targets are read from the source once', async () => {
  const c = await startSite();
  const line = await startFaultProxy(a.server.host);
  try {
    const layer = randomBytes(9_000_000);
    await a.pushBlob('many/app', layer);
    const { digest } = await a.pushImage('many/app', '1.0', { layers: [descriptor(layer)] });
    const targets = ['here.example/many/one', 'here.example/many/two', `${b.server.host}/many/three`];
    await c.rule('many', { source: `${line.host}/many/app`, targets }, [
      self,
      connectionTo(a.server, line.host),
      connectionTo(b.server),
    ]);
    await until('all three', async () => {
      const found = [await c.tag('many/one', '1.0'), await c.tag('many/two', '1.0'), await b.tag('many/three', '1.0')];
      return found.every((each) => each === digest);
    });
    const reads = (what: string) => line.requests.filter((each) => each.startsWith('GET ') && each.includes(what));
    assert.equal(reads(`/blobs/${digestOf(layer)}`).length, 1);
    assert.equal(reads(`/manifests/${digest}`).length, 1);
  } finally {
    await line.close();
    await c.server.discard();
  }
});
