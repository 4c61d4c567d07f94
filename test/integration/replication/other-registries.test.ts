/** Rules from and to registries of other makers, which list names alone and know neither versions nor tombstones. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { manifestMediaTypes } from '../../../src/domain/oci/media-types.ts';
import { getManifest } from '../../../src/transfer/registry/manifests.ts';
import type { Peer } from '../../programs/distribution.ts';
import { fill, oci, type Place, pushBlob, pushManifest, pushReferrer } from '../transfer/images.ts';
import { clientOf, registries } from '../transfer/registries.ts';
import { truthOf } from '../transfer/truth.ts';
import { type Site, self, startSite, until } from './lab.ts';

let ours: Site;
let source: Peer;
let target: Peer;
const closing: (() => unknown)[] = [];
before(async () => {
  ours = await startSite();
  source = (await registries['distribution with tokens']?.()) as Peer;
  target = (await registries["Debian's docker-registry"]?.()) as Peer;
});
after(async () => {
  for (const close of closing) close();
  await Promise.all([ours.server.discard(), source.stop(), target.stop()]);
});

const connection = (peer: Peer) => ({ host: peer.host, insecure: true, ...peer.login });
const oursAsPeer = () =>
  ({ host: ours.server.host, login: { username: ours.server.user, password: ours.server.password } }) as Peer;

function at(peer: Peer, repository: string): Place {
  const client = clientOf(peer);
  closing.push(() => client.close());
  return { client, repository };
}

async function compareAgain(name: string): Promise<void> {
  const before = (await ours.state(name)).lastPlan?.time ?? '';
  await ours.request('POST', `/admin/v1/rules/replication/${name}/run`);
  await until('a comparison', async () => ((await ours.state(name)).lastPlan?.time ?? '') > before);
  await until('its end', async () => (await ours.state(name)).targets[0]?.pending === 0);
}

test('all of a distribution with tokens is pulled, signatures under fallback tags too, and a later one follows', async () => {
  const from = at(source, 'team/app');
  await fill(from, 300_000);
  const spec = { source: `${source.host}/team/app`, targets: ['here.example/copies/app'] };
  await ours.rule('pull', spec, [self, connection(source)]);
  await until('the end', async () => (await ours.state('pull')).targets[0]?.lastSuccess);
  const to = at(oursAsPeer(), 'copies/app');
  const truth = await truthOf(from);
  assert.ok(Object.keys(truth.referrers).length > 0);
  assert.deepEqual(await truthOf(to), truth);

  const [digest] = Object.values(truth.tags) as Digest[];
  const subject = await descriptorOf(from, digest as Digest);
  const late = await pushReferrer(from, subject);
  await compareAgain('pull');
  const after = await truthOf(to);
  assert.ok(Object.values(after.referrers).flat().includes(late.digest));
  assert.deepEqual(after, await truthOf(from));

  const state = await ours.state('pull');
  await compareAgain('pull');
  const again = await ours.state('pull');
  assert.deepEqual([again.lastPlan?.copy, again.targets[0]?.bytesTransferred], [0, state.targets[0]?.bytesTransferred]);
});

test('images go on to a registry of old, and what somebody moves there is noticed', async () => {
  await ours.rule('push', { source: 'here.example/copies/app', targets: [`${target.host}/old/app`] }, [
    self,
    connection(target),
  ]);
  await until('the end', async () => (await ours.state('push')).targets[0]?.lastSuccess);
  const [from, to] = [at(oursAsPeer(), 'copies/app'), at(target, 'old/app')];
  const truth = await truthOf(from);
  assert.deepEqual(await truthOf(to), truth);

  const names = Object.keys(truth.tags);
  const image = await fetch(`http://${target.host}/v2/old/app/manifests/${names[0]}`, {
    headers: { accept: manifestMediaTypes.join(', ') },
  });
  const body = Buffer.from(await image.arrayBuffer());
  const put = await fetch(`http://${target.host}/v2/old/app/manifests/${names[1]}`, {
    method: 'PUT',
    body,
    headers: { 'content-type': image.headers.get('content-type') ?? '' },
  });
  assert.equal(put.status, 201);
  await compareAgain('push');
  assert.deepEqual(await truthOf(to), truth);
});

test('a tag that a registry without tombstones lacks in two listings goes, and the rest stays', async () => {
  const from = at(source, 'deleting/app');
  await fill(from, 1000);
  const spec = {
    source: `${source.host}/deleting/app`,
    targets: ['here.example/deleting/app'],
    deletion: { policy: 'Propagate', delay: '0s' },
  };
  await ours.rule('deleting', spec, [self, connection(source)]);
  await until('the end', async () => (await ours.state('deleting')).targets[0]?.lastSuccess);
  const names = Object.keys(await ours.tags('deleting/app'));
  const { client, repository } = from;
  const answer = await client.request({
    method: 'DELETE',
    path: `/v2/${repository}/manifests/${names[0]}`,
    scopes: [`repository:${repository}:delete,pull,push`],
    what: 'delete a tag',
    accept: [202],
    signal: AbortSignal.timeout(60_000),
  });
  assert.equal(answer.status, 202);
  answer.body.resume();
  await compareAgain('deleting');
  await until('it to go', async () => {
    await compareAgain('deleting');
    return !Object.keys(await ours.tags('deleting/app')).includes(names[0] ?? '');
  });
  assert.deepEqual(Object.keys(await ours.tags('deleting/app')), names.slice(1));
});

test('of a registry that does not tell when tags were pushed, the newest are those made last', async () => {
  const from = at(source, 'newest/app');
  for (const [tag, day] of [
    ['old', '01'],
    ['newest', '03'],
    ['middle', '02'],
  ]) {
    await pushManifest(
      from,
      {
        schemaVersion: 2,
        mediaType: oci.manifest,
        config: await pushBlob(from, Buffer.from(JSON.stringify({ created: `2026-01-${day}T00:00:00Z` })), oci.config),
        layers: [],
      },
      tag,
    );
  }
  const spec = {
    source: `${source.host}/newest/app`,
    targets: ['here.example/newest/app'],
    select: { tags: { newest: 2 } },
  };
  await ours.rule('newest', spec, [self, connection(source)]);
  await until('the end', async () => (await ours.state('newest')).targets[0]?.lastSuccess);
  assert.deepEqual(Object.keys(await ours.tags('newest/app')), ['middle', 'newest']);
});

test('a repository that is not there is told of, instead of being taken for an empty one', async () => {
  await ours.rule('absent', { source: `${source.host}/no/such`, targets: ['here.example/no/such'] }, [
    self,
    connection(source),
  ]);
  const state = await until('a word about it', async () => {
    const told = await ours.state('absent');
    return told.problems.length > 0 && told;
  });
  assert.deepEqual(
    state.problems.map(({ type, reason }) => [type, reason]),
    [['InSync', 'SourceNotFound']],
  );
  assert.match(state.problems[0]?.message ?? '', /there is no repository no\/such/);
});

async function descriptorOf({ client, repository }: Place, digest: Digest) {
  const manifest = await getManifest(client, repository, digest, AbortSignal.timeout(60_000));
  return { mediaType: manifest.mediaType, digest, size: manifest.bytes.length };
}
