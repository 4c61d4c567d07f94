/** How a pod that is to end lets go of its clients, so that a rolling update cuts none of them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import type { RegistryBootstrapInput } from '../../../src/api/bootstrap/v1alpha1.ts';
import { until } from '../registry/space/until.ts';

const program = join(import.meta.dirname, '../../../bin/ne-registry.js');
/** Enough for what is asked meanwhile, on a machine that is away for some of it. */
const lingerSeconds = 12;
/** Nothing may take that long here: no request is in flight at the end. */
const drainSeconds = 100;
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ne-leaving-'));
});
after(async () => await rm(folder, { recursive: true, force: true }));

interface Serving {
  readonly api: number;
  readonly management: number;
}

async function serve(): Promise<{ child: ReturnType<typeof spawn>; ports: Serving }> {
  const document: RegistryBootstrapInput = {
    apiVersion: 'bootstrap.ne-registry.io/v1alpha1',
    kind: 'RegistryBootstrap',
    listen: { api: '127.0.0.1:0', management: '127.0.0.1:0' },
    storage: { filesystem: { path: join(folder, 'data') } },
    auth: { anonymous: 'Push' },
    lingerSeconds,
    drainSeconds,
  };
  const config = join(folder, 'config.yaml');
  await writeFile(config, JSON.stringify(document));
  const child = spawn(process.execPath, [program, 'serve', '--config', config], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface(child.stdout)) {
    const said = JSON.parse(line) as { msg: string; api: { port: number }; management: { port: number } };
    if (said.msg !== 'serving') continue;
    child.stdout.resume();
    return { child, ports: { api: said.api.port, management: said.management.port } };
  }
  throw new Error('it ended before it served');
}

interface Question {
  readonly agent?: Agent;
  readonly body?: string;
}

async function ask(port: number, path: string, { agent, body }: Question = {}) {
  const method = body === undefined ? 'GET' : 'PUT';
  const headers = { 'content-type': 'application/vnd.oci.image.index.v1+json' };
  const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: agent ?? false }).end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.resume();
  await once(answer, 'end');
  return { status: answer.statusCode, connection: answer.headers.connection };
}

test('asked to end, it says that it is not ready, goes on answering for a while, and ends each connection', async () => {
  const { child, ports } = await serve();
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] };
  const manifest = '/v2/a/manifests/1';
  const [one, other, later] = [0, 1, 2].map(() => new Agent({ keepAlive: true })) as [Agent, Agent, Agent];
  try {
    assert.equal((await ask(ports.api, manifest, { body: JSON.stringify(index) })).status, 201);
    for (const [agent, path] of [
      [one, manifest],
      [other, '/v2/a/tags/list'],
    ] as const) {
      assert.deepEqual(await ask(ports.api, path, { agent }), { status: 200, connection: 'keep-alive' });
    }
    assert.equal((await ask(ports.management, '/readyz')).status, 200);
    const asked = Date.now();
    child.kill('SIGTERM');
    await until('it is not ready', async () => (await ask(ports.management, '/readyz')).status === 503);
    for (const agent of [one, other, later]) {
      assert.deepEqual(await ask(ports.api, manifest, { agent }), { status: 200, connection: 'close' });
    }
    const [code] = await ended;
    assert.equal(code, 0);
    const took = Date.now() - asked;
    assert.ok(took >= lingerSeconds * 1000 && took < drainSeconds * 1000, `${took} ms`);
  } finally {
    for (const agent of [one, other, later]) agent.destroy();
    child.kill('SIGKILL');
  }
});
