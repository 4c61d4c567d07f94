/**
 * kind-config.yaml, read by kind's own loader.
 *
 * This machine may have no container engine, and `kind create cluster` asks the engine before anything else can be
 * seen of the configuration. So the loader, its validation and the containerd patching are called as kind calls them:
 * they are internal packages, which Go lets a module import whose path lies below kind's. What this cannot show is a
 * node that boots with the result; containerd itself is asked whether it takes the patched file.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { attempt, run } from '../e2e/cluster/command.ts';
import { goTool } from '../e2e/cluster/tools.ts';

const KIND_VERSION = 'v0.33.0';
const CONFIG = fileURLToPath(new URL('../../kind-config.yaml', import.meta.url));
const SAMPLE = fileURLToPath(new URL('../../config/samples/registry.yaml', import.meta.url));

interface Report {
  Name: string;
  Nodes: { Role: string; ExtraPortMappings: { ContainerPort: number; HostPort: number; ListenAddress: string }[] }[];
  Containerd: string;
}

interface Sample {
  kind: string;
  spec: { expose: { service: { nodePort: number } } };
}

let check: string;
let nodeConfig: string;
let scratch: string;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'ne-kind-'));
  check = await goTool({
    name: 'kind-config-check',
    module: 'sigs.k8s.io/kind',
    version: KIND_VERSION,
    path: 'sigs.k8s.io/kind/pkg/ne-registry-check',
    sources: { 'main.go': await readFile(new URL('kind/main.go', import.meta.url), 'utf8') },
  });
  const module = await run('go', ['mod', 'download', '-json', `sigs.k8s.io/kind@${KIND_VERSION}`], { cwd: scratch });
  const folder = (JSON.parse(module) as { Dir: string }).Dir;
  nodeConfig = join(folder, 'images/base/files/etc/containerd/config.toml');
});

after(async () => await rm(scratch, { recursive: true, force: true }));

async function load(file: string): Promise<Report> {
  return JSON.parse(await run(check, [file, nodeConfig])) as Report;
}

test('kind loads and validates the configuration', async () => {
  const { Name, Nodes } = await load(CONFIG);
  assert.equal(Name, 'ne-registry');
  assert.deepEqual(
    Nodes.map((node) => node.Role),
    ['control-plane'],
  );
});

test('a setting that kind does not know is refused, so the test above means something', async () => {
  const typo = join(scratch, 'typo.yaml');
  await writeFile(typo, (await readFile(CONFIG, 'utf8')).replace('extraPortMappings', 'extraPortMapping'));
  const { code, stderr } = await attempt(check, [typo, nodeConfig]);
  assert.equal(code, 1);
  assert.match(stderr, /extraPortMapping\b/);
});

test('this machine, and nobody else, reaches the NodePort that the sample Registry asks for', async () => {
  const objects = parseAllDocuments(await readFile(SAMPLE, 'utf8')).map((document) => document.toJS() as Sample);
  const registry = objects.find(({ kind }) => kind === 'Registry');
  const [node] = (await load(CONFIG)).Nodes;
  const [mapping] = node?.ExtraPortMappings ?? [];
  assert.equal(mapping?.ContainerPort, registry?.spec.expose.service.nodePort);
  assert.equal(mapping?.ListenAddress, '127.0.0.1');
});

test("containerd of kind's node image looks for registries where nodeAccess writes", async (t) => {
  const { Containerd } = await load(CONFIG);
  assert.match(Containerd, /config_path = "\/etc\/containerd\/certs\.d"/);
  const file = join(scratch, 'config.toml');
  await writeFile(file, Containerd);
  const answer = await attempt('containerd', ['-c', file, 'config', 'dump']).catch(() => undefined);
  if (answer === undefined) return t.skip('containerd is not installed');
  assert.equal(answer.code, 0, answer.stderr);
  assert.match(answer.stdout, /config_path = "\/etc\/containerd\/certs\.d"/);
});
