/** Space comes back while the registry serves: what nobody needs goes after its grace time, and nothing else does. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Client, client, descriptor, digestOf, imageType } from './client.ts';
import { type Server, startServer } from './server.ts';
import { filesOf } from './space/disk.ts';
import { until } from './space/until.ts';

let server: Server;
let registry: Client;

before(async () => {
  server = await startServer({
    document: {
      auth: { administrators: ['tester'], anonymous: 'Pull' },
      reclaim: { graceSeconds: 0 },
      content: { missingReferences: 'Refuse' },
    },
  });
  registry = client(server);
});
after(() => server?.discard());

const ask = async (kind: string) => (await registry.request('POST', `/admin/v1/jobs/${kind}`)).status;
const metric = async (name: string) => {
  const { body } = await registry.request('GET', '/metrics');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body.toString())?.[1]);
};

async function putImage(repository: string, tag: string, layers: readonly Buffer[]) {
  const config = Buffer.from(JSON.stringify({ image: randomUUID() }));
  for (const bytes of [config, ...layers]) await registry.pushBlob(repository, bytes);
  const image = {
    schemaVersion: 2,
    mediaType: imageType,
    config: descriptor(config),
    layers: layers.map((bytes) => descriptor(bytes)),
  };
  const body = Buffer.from(JSON.stringify(image));
  const put = await registry.request('PUT', `/v2/${repository}/manifests/${tag}`, {
    body,
    headers: { 'content-type': imageType },
  });
  assert.equal(put.status, 201, put.body.toString());
  return digestOf(body);
}

test('the bytes of a deleted image go, and those that another image has stay', async () => {
  const [own, shared] = [randomBytes(100_000), randomBytes(50_000)];
  const doomed = await putImage('space/a', 'doomed', [own, shared]);
  await putImage('space/b', 'kept', [shared]);
  const before = await metric('ne_registry_reclaimed_bytes_total');
  assert.equal((await registry.request('DELETE', `/v2/space/a/manifests/${doomed}`)).status, 202);
  assert.equal(filesOf(server.data, digestOf(own)).length, 1);
  await until('the layer is removed', () => filesOf(server.data, digestOf(own)).length === 0);
  assert.equal((await registry.request('HEAD', `/v2/space/a/blobs/${digestOf(own)}`)).status, 404);
  for (const repository of ['space/a', 'space/b']) {
    const got = await registry.request('GET', `/v2/${repository}/blobs/${digestOf(shared)}`);
    assert.ok(got.body.equals(shared), `${repository} ${got.status}`);
  }
  await until('it is counted', async () => (await metric('ne_registry_reclaimed_bytes_total')) >= before + own.length);
  await until('both blobs are counted', async () => (await metric('ne_registry_reclaimed_blobs_total')) >= 2);
  await until('it is logged', () => server.log.some((line) => line.includes('took space back')));
});

test('a blob that is asked for stays while it is, and a manifest keeps it for good', async () => {
  const bytes = randomBytes(1000);
  const digest = await registry.pushBlob('space/asked', bytes);
  for (const end = performance.now() + 22_000; performance.now() < end; ) {
    const { status } = await registry.request('HEAD', `/v2/space/asked/blobs/${digest}`);
    assert.equal(status, 200);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  await putImage('space/asked', 'latest', [bytes]);
  const other = await registry.pushBlob('space/asked', randomBytes(1000));
  await until('another blob is removed', () => filesOf(server.data, other).length === 0);
  assert.ok((await registry.request('GET', `/v2/space/asked/blobs/${digest}`)).body.equals(bytes));
});

test('bytes that a crash left without a name are removed; what the metadata cannot know is left alone', async () => {
  const place = (bytes: Buffer) => {
    const hex = digestOf(bytes).slice(7);
    return join(server.data, 'blobs/sha256', hex.slice(0, 2), `${hex}.${randomUUID()}`);
  };
  const [fresh, old] = [randomBytes(1000), randomBytes(1000)];
  const [orphan, foreign] = [place(fresh), place(old)];
  for (const [path, bytes] of [
    [orphan, fresh],
    [foreign, old],
  ] as const) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  utimesSync(foreign, 1_700_000_000, 1_700_000_000);
  assert.equal(await ask('sweep'), 202);
  await until('the orphan is removed', () => !existsSync(orphan));
  await until('the other one is told of', () => server.log.some((line) => line.includes('was the database lost?')));
  assert.ok(existsSync(foreign));
});

test('jobs are shown to administrators, and to nobody else', async () => {
  const answer = await registry.request('GET', '/admin/v1/jobs');
  const { jobs } = answer.json() as { jobs: { kind: string; runAt: string; attempts: number }[] };
  const kinds = jobs.map(({ kind }) => kind);
  for (const kind of ['reclaim', 'sweep', 'scrub', 'trim']) assert.ok(kinds.includes(kind), kind);
  assert.ok(jobs.every(({ runAt }) => Date.parse(runAt) > 0));
  assert.equal(await ask('nonsense'), 404);
  for (const authorization of [null, `Basic ${Buffer.from('tester:wrong').toString('base64')}`]) {
    assert.equal((await registry.request('GET', '/admin/v1/jobs', { authorization })).status, 401);
    assert.equal((await registry.request('POST', '/admin/v1/jobs/reclaim', { authorization })).status, 401);
  }
});
