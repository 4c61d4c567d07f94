/** A registry that everybody may push to never asks who is there: it is a peer all the same. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startServer } from '../registry/server.ts';
import { connectionTo, type Place, placeAt, type Site, self, startSite, until } from './lab.ts';

let a: Site;
let b: Place & Pick<Site, 'server'>;
before(async () => {
  const open = startServer({ document: { auth: { administrators: ['tester'], anonymous: 'Push' } } });
  a = await startSite();
  const server = await open;
  b = { ...placeAt(server), server };
});
after(async () => {
  await Promise.all([a.server.discard(), b.server.discard()]);
});

const accept = 'application/vnd.ne-registry.tags.v1+json';

async function stand(place: Place): Promise<string> {
  const answer = await place.request('GET', '/v2/open/app/tags/list', { headers: { accept } });
  const { tags = [] } = answer.json() as { tags?: { digest: string; version: number; origin: string }[] };
  return tags.map(({ digest, version, origin }) => `${version} ${origin} ${digest}`).join();
}

test('its tags get the versions that they have at the source, and it is asked for all of them at once', async () => {
  for (let pushed = 0; pushed < 2; pushed++) await a.pushImage('open/app', 'latest');
  const spec = { source: 'here.example/open/app', targets: [`${b.server.host}/open/app`] };
  await a.rule('open', spec, [self, connectionTo(b.server)]);
  await until('the copy', async () => (await a.state('open')).targets[0]?.lastSuccess);
  assert.match(await stand(a), /^2 /);
  assert.equal(await stand(b), await stand(a));
  // A rule that remembers nothing needs the digests to know that there is nothing to do.
  await a.rule('again', spec, [self, connectionTo(b.server)]);
  await until('its comparison', async () => (await a.state('again')).targets[0]?.lastSuccess);
  const { copy, unchanged } = (await a.state('again')).lastPlan ?? {};
  assert.deepEqual({ copy, unchanged }, { copy: 0, unchanged: 1 });
});

test('who says nothing of himself is told what everybody is, and that there is more', async () => {
  const url = `${b.server.url}/v2/open/app/tags/list`;
  const plain = await fetch(url, { headers: { accept: `${accept}, application/json` } });
  assert.deepEqual([plain.status, ((await plain.json()) as { tags: unknown }).tags], [200, ['latest']]);
  assert.match(plain.headers.get('www-authenticate') ?? '', /^Bearer realm=/);
  assert.equal((await fetch(url)).headers.get('www-authenticate'), null);
});
