/**
 * Every command of docs/replication.md, on a real API server and on a real registry that keeps a second one in step. What the
 * operator does between them the test does; both other ends of the page are that second registry.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { loginFor } from '../../../src/operator/replication-rule/docker-config.ts';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { startWithDefinitions } from '../crds/server.ts';
import { type Server, startServer } from '../registry/server.ts';
import { type Guide, openGuide } from './guide.ts';
import { SampleLayout } from './sample.ts';

let api: BareApiServer;
let registry: Server;
let other: Server;
let guide: Guide;
before(async () => {
  api = await startWithDefinitions();
  registry = await startServer({ document: { auth: { administrators: ['tester'] } } });
  other = await startServer();
  const [EDGE_USER, EDGE_PASSWORD] = [other.user, other.password];
  guide = await openGuide('replication.md', api, {
    REGISTRY: registry.host,
    EDGE: 'registry.edge.example',
    EDGE_USER,
    EDGE_PASSWORD,
  });
});
after(async () => {
  guide?.discard();
  await Promise.all([registry?.discard(), other?.discard()]);
  await api?.stop();
});

async function done(command: string): Promise<string> {
  const { code, said } = await guide.run(command);
  assert.equal(code, 0, `${command}\n${said}`);
  return said;
}

/** As the operator does it, but that the hosts of the page are to be found at the second registry. */
async function handOver(file: string, host: string, login: object): Promise<void> {
  const { metadata, spec } = guide.files.get(file) ?? assert.fail(file);
  const connections = [
    { registry: 'main', host: registry.host, self: true },
    { host, address: other.host, insecure: true, ...login },
  ];
  const answer = await fetch(`${registry.url}/admin/v1/rules/replication/${metadata.name}`, {
    method: 'PUT',
    headers: { authorization: registry.authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ uid: file, generation: 1, spec, connections }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

async function push(image: string): Promise<void> {
  const sample = new SampleLayout(`${other.data}.layout`);
  sample.add(await sample.image([100]), 'v1');
  await done(`ne-cli push ${image}:v1 ${await sample.finish()}`);
  rmSync(`${other.data}.layout`, { recursive: true });
}

/** What the Secret that the page makes holds for the other end. */
async function loginOfPage(): Promise<object> {
  const { stdout } = await api.kubectl(['get', 'secret', 'edge', '-n', 'registry', '-o', 'json']);
  const { data } = JSON.parse(stdout) as { data: Record<string, string> };
  const login = loginFor(Buffer.from(data['.dockerconfigjson'] ?? '', 'base64').toString(), 'registry.edge.example');
  return typeof login === 'string' ? assert.fail(login) : login;
}

test('the commands work in their order', { timeout: 600_000 }, async () => {
  assert.equal(guide.commands.length, 8);
  await api.request('POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'registry' },
  });
  for (const { host, user, password } of [registry, other])
    await done(`echo '${password}' | ne-cli login ${host} -u ${user} --password-stdin`);
  await push(`${other.host}/myorg/app`);
  await push('$REGISTRY/team/app');
  const said: string[] = [];
  for (const command of guide.commands) {
    said.push(await done(command));
    if (!command.startsWith('kubectl apply')) continue;
    const { user: username, password } = other;
    await handOver('mirror.yaml', 'ghcr.io', { username, password });
    await handOver('to-edge.yaml', 'registry.edge.example', await loginOfPage());
  }
  assert.match(said.join(''), /mirror.*ghcr\.io\/myorg\/app → registry:\/\/main\/myorg\/app/);
  await done('ne-cli inspect $REGISTRY/myorg/app:v1');
  await done('ne-cli replication run --wait $REGISTRY/to-edge');
  await done(`ne-cli inspect ${other.host}/team/app:v1`);
});
