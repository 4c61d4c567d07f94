import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { RuleConnections } from '../../../src/api/rules/connection.ts';
import { encode, type Secret } from '../../../src/operator/registry/children/secret.ts';
import { Failing } from '../../../src/operator/registry/failing.ts';
import type { RegistryResource } from '../../../src/operator/registry/resource.ts';
import { connectionsOf } from '../../../src/operator/replication-rule/connections.ts';
import { loginFor } from '../../../src/operator/replication-rule/docker-config.ts';
import type { ReplicationRuleResource } from '../../../src/operator/replication-rule/resource.ts';
import { registry, rule } from './sample.ts';

const main = registry('main');
const password = randomBytes(12).toString('hex');

interface World {
  readonly registries?: readonly RegistryResource[];
  readonly secrets?: Readonly<Record<string, Record<string, string>>>;
}

async function resolved(which: ReplicationRuleResource, { registries = [main], secrets = {} }: World = {}) {
  const asked: string[] = [];
  const connections = await connectionsOf(which, {
    worker: main,
    registry: (namespace, name) =>
      registries.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name),
    secret: async (namespace, name) => {
      asked.push(`${namespace}/${name}`);
      const data = secrets[`${namespace}/${name}`];
      return data && ({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, data: encode(data) } as Secret);
    },
  });
  // What is sent is what the registry reads.
  assert.deepEqual(RuleConnections.parse(connections), connections);
  return { connections, asked };
}

async function refusal(which: ReplicationRuleResource, world: World = {}): Promise<string> {
  const error = await resolved(which, world).then(
    () => assert.fail('nothing was missing'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Failing, String(error));
  return `${error.reason}: ${error.message}`;
}

const dockerConfig = (auths: object) => ({ '.dockerconfigjson': JSON.stringify({ auths }) });
const basic = (name: string) => ({ auth: Buffer.from(`${name}:${password}`).toString('base64') });

test('a host gets what its connection says, and the credentials that the Secret keeps for it alone', async () => {
  const spec = {
    connections: [
      { host: 'ghcr.io', secretRef: { name: 'pull' } },
      { host: 'registry.example.com', caBundle: '-----BEGIN CERTIFICATE-----', proxy: 'http://proxy.example:3128' },
      { host: '192.168.1.100:5000', insecure: true },
    ],
  };
  const secrets = { 'team/pull': dockerConfig({ 'ghcr.io': basic('ann'), 'quay.io': basic('eve') }) };
  const { connections } = await resolved(rule(spec), { secrets });
  assert.deepEqual(connections, [
    { host: 'ghcr.io', username: 'ann', password },
    { host: 'registry.example.com', ca: '-----BEGIN CERTIFICATE-----', proxy: 'http://proxy.example:3128' },
    { host: '192.168.1.100:5000', insecure: true },
  ]);
});

test('a Secret cannot be made to go to another host than it is for', async () => {
  const spec = { connections: [{ host: 'evil.example', secretRef: { name: 'pull' } }] };
  const secrets = { 'team/pull': dockerConfig({ 'ghcr.io': basic('ann') }) };
  const said = await refusal(rule(spec), { secrets });
  assert.match(said, /^SecretInvalid: Secret team\/pull.*no entry for evil\.example/);
  assert.ok(!said.includes(password));
});

test('what is missing is named, with what to do', async () => {
  const spec = { connections: [{ host: 'ghcr.io', secretRef: { name: 'pull' } }] };
  assert.match(await refusal(rule(spec)), /^SecretMissing: Secret team\/pull.*ghcr\.io.*create it/);
  assert.match(
    await refusal(rule(spec), { secrets: { 'team/pull': { password } } }),
    /^SecretMissing.*dockerconfigjson/,
  );
  assert.match(await refusal(rule({ targets: ['registry://x/a'] })), /^RegistryNotFound: .*team\/x/);
});

test('Docker Hub, URLs, tokens and damaged files', () => {
  const login = (auths: object, host = 'ghcr.io') => loginFor(JSON.stringify({ auths }), host);
  assert.deepEqual(login({ 'https://index.docker.io/v1/': basic('ann') }, 'docker.io'), { username: 'ann', password });
  assert.deepEqual(login({ 'https://GHCR.io/v2/': { username: 'a', password } }), { username: 'a', password });
  assert.deepEqual(login({ 'ghcr.io': { identitytoken: 'refresh' } }), { identityToken: 'refresh' });
  assert.match(String(login({ 'ghcr.io': { auth: 'bm9jb2xvbg==' } })), /neither "auth"/);
  assert.match(
    String(login({ 'ghcr.io.evil.example': basic('ann'), 'evil.example/ghcr.io': basic('ann') })),
    /no entry/,
  );
  const damaged = loginFor(`{"auths": {"ghcr.io": ${password}`, 'ghcr.io');
  assert.ok(typeof damaged === 'string' && !damaged.includes(password));
});

test('the Registry that does the work is itself, by reference and by its host', async () => {
  const { connections, asked } = await resolved(
    rule({ source: 'registry://main/app', targets: ['main.team.example/copy', 'ghcr.io/x'] }),
  );
  assert.deepEqual(connections, [
    { registry: 'main', host: 'main.team.example', self: true },
    { host: 'main.team.example', self: true },
  ]);
  assert.deepEqual(asked, []);
  // Unless the rule says how that host is to be reached.
  const explicit = { targets: ['main.team.example/copy'], connections: [{ host: 'Main.team.example' }] };
  assert.deepEqual((await resolved(rule(explicit))).connections, [{ host: 'main.team.example' }]);
});

test('another Registry of the cluster is reached at its Service, as its replication user, by its own name', async () => {
  const edge = registry('edge', { host: 'edge.example:8443' });
  const secrets = { 'team/edge-replication': { username: 'ne-replication', password, htpasswd: 'x' } };
  const { connections } = await resolved(rule({ targets: ['registry://edge/app'] }), {
    registries: [main, edge],
    secrets,
  });
  assert.deepEqual(connections, [
    {
      registry: 'edge',
      host: 'edge.example:8443',
      address: 'edge.team.svc:443',
      username: 'ne-replication',
      password,
      ca: 'authority of edge',
    },
  ]);
  const plain = { ...edge, status: { internalURL: 'http://edge.team.svc:8080' } };
  const {
    connections: [over],
  } = await resolved(rule({ targets: ['registry://edge/app'] }), { registries: [main, plain], secrets });
  assert.deepEqual([over?.address, over?.insecure, over?.ca], ['edge.team.svc:8080', true, undefined]);

  const push = rule({ targets: ['registry://edge/app'] });
  assert.match(await refusal(push, { registries: [main, edge] }), /^CredentialsPending/);
  assert.match(await refusal(push, { registries: [main, { ...edge, status: {} }], secrets }), /^RegistryNotReady/);
});

test('a Registry of another namespace admits rules by its annotation; else it is as if it were not there', async () => {
  const push = rule({ targets: ['registry://main.far/app'] });
  const secrets = { 'far/main-replication': { username: 'ne-replication', password } };
  const far = (annotations: Record<string, string>) => registry('main', {}, { namespace: 'far', annotations });
  const closed = await refusal(push, { registries: [main, far({})], secrets });
  assert.match(closed, /^RegistryNotFound: .*replication-namespaces must list team/);
  assert.equal(await refusal(push, { secrets }), closed, 'the same where there is none');
  const open = far({ 'ne-registry.io/replication-namespaces': 'team' });
  const { connections } = await resolved(push, { registries: [main, open], secrets });
  assert.equal(connections[0]?.registry, 'main.far');
  assert.equal(connections[0]?.address, 'main.far.svc:443');
});
