/** Two registries came to the same image by ways of different length, and only then begin to copy from each other. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { imageType } from '../registry/client.ts';
import { connectionTo, type Site, self, startSite, until } from './lab.ts';

let a: Site;
let b: Site;
before(async () => {
  [a, b] = await Promise.all([startSite(), startSite()]);
});
after(async () => {
  await Promise.all([a.server.discard(), b.server.discard()]);
});

const accept = 'application/vnd.ne-registry.tags.v1+json';

async function stand(site: Site): Promise<string> {
  const answer = await site.request('GET', '/v2/both/app/tags/list', { headers: { accept } });
  const { tags } = answer.json() as { tags: { digest: string; version: number; origin: string }[] };
  return tags.map(({ digest, version, origin }) => `${version} ${origin} ${digest}`).join();
}

/** The very image of one registry, pushed to the other by somebody else. */
async function pushSame(image: { bytes: Buffer }): Promise<void> {
  const { config, layers } = JSON.parse(image.bytes.toString()) as Record<'config', Named> & Record<'layers', Named[]>;
  for (const { digest } of [config, ...layers])
    await b.pushBlob('both/app', (await a.request('GET', `/v2/both/app/blobs/${digest}`)).body);
  const put = { body: image.bytes, headers: { 'content-type': imageType } };
  assert.equal((await b.request('PUT', '/v2/both/app/manifests/latest', put)).status, 201);
}

interface Named {
  digest: string;
}

test('the next push at the end that had changed less often stands, and is not put back', async () => {
  const image = await a.pushImage('both/app', 'latest');
  await pushSame(image);
  await b.pushImage('both/app', 'latest');
  await pushSame(image);
  assert.match(await stand(a), /^1 /);
  assert.match(await stand(b), /^3 /);

  const rule = (site: Site, other: Site) =>
    site.rule('both', { source: 'here.example/both/*', targets: [`${other.server.host}/both`] }, [
      self,
      connectionTo(other.server),
    ]);
  await Promise.all([rule(a, b), rule(b, a)]);
  await until('the same version at both', async () => (await stand(a)) === (await stand(b)));
  assert.match(await stand(a), /^3 /);

  const next = await a.pushImage('both/app', 'latest');
  await until('the push at the other end', async () => (await b.tag('both/app', 'latest')) === next.digest);
  for (const site of [a, b]) await site.request('POST', '/admin/v1/rules/replication/both/run');
  await until('both compared', async () => (await stand(a)) === (await stand(b)));
  assert.equal(await a.tag('both/app', 'latest'), next.digest);
});
