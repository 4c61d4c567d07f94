/** Every command of docs/retention.md, on a real registry and a real API server; what the operator does between them the test does. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { startWithDefinitions } from '../crds/server.ts';
import { type Server, startServer } from '../registry/server.ts';
import { until } from '../registry/space/until.ts';
import { type Guide, openGuide } from './guide.ts';
import { SampleLayout } from './sample.ts';

let api: BareApiServer;
let server: Server;
let guide: Guide;
before(async () => {
  api = await startWithDefinitions();
  server = await startServer({ document: { auth: { administrators: ['tester'] } } });
  guide = await openGuide('retention.md', api, { REGISTRY: server.host });
});
after(async () => {
  guide?.discard();
  await server?.discard();
  await api?.stop();
});

async function done(command: string): Promise<string> {
  const { code, said } = await guide.run(command);
  assert.equal(code, 0, `${command}\n${said}`);
  return said;
}

async function push(tag: string): Promise<void> {
  const sample = new SampleLayout(`${server.data}.${tag}`);
  sample.add(await sample.image([100]), tag);
  await done(`ne-cli push $REGISTRY/team/app:${tag} ${await sample.finish()} && rm -r ${server.data}.${tag}`);
}

async function admin(method: string, path: string, body?: object): Promise<unknown> {
  const headers = { authorization: server.authorization, 'content-type': 'application/json' };
  const text = body === undefined ? null : JSON.stringify(body);
  const answer = await fetch(`${server.url}/admin/v1${path}`, { method, headers, body: text });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return await answer.json();
}

/** As the operator would, but with fewer to keep, so that one goes. */
async function expireOne(): Promise<void> {
  const spec = guide.files.get('policy.yaml')?.spec as {
    rules: { selection: { countNumber: number } }[];
    mode?: string;
  };
  const [first] = spec.rules;
  assert.ok(first);
  first.selection.countNumber = 1;
  const { mode: _, ...enforced } = spec;
  await admin('PUT', '/rules/retention/releases', { uid: '1', generation: 2, spec: enforced });
  await admin('POST', '/rules/retention/releases/run');
  await until('v1 to be in the trash', async () => {
    const { images } = (await admin('GET', '/retention/trash')) as { images: unknown[] };
    return images.length === 1;
  });
}

test('the commands work in their order', { timeout: 600_000 }, async () => {
  assert.equal(guide.commands.length, 8);
  await api.request('POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'registry' },
  });
  await done(`echo '${server.password}' | ne-cli login $REGISTRY -u ${server.user} --password-stdin`);
  for (const tag of ['v1', 'v2', 'latest']) await push(tag);
  const said = new Map<string, string>();
  for (const command of guide.commands) {
    if (command.includes('retention trash')) await expireOne();
    said.set(command.split(' ').slice(0, 3).join(' '), await done(command));
  }
  assert.match(said.get('kubectl get retentionpolicy') ?? '', /releases/);
  assert.match(said.get('ne-cli retention explain') ?? '', /^KEEP /);
  assert.match(said.get('ne-cli retention trash') ?? '', /v1/);
  assert.match(said.get('ne-cli retention restore') ?? '', /restored .* v1/);
});
