import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type Cluster, kubectlOf } from './cluster.ts';
import { attempt, progress, run } from './command.ts';
import { type Layout, layout, NODE_CERTS_DIR } from './layout.ts';
import { withLock } from './lock.ts';
import { KIND, KUBE } from './programs.ts';
import { goTool } from './tools.ts';

/** The container engine that kind is to use. */
export type ContainerEngine = 'docker' | 'podman';

/**
 * The container engine that runs here and can run kind's node, if any. Podman needs no daemon and so always answers
 * where it is installed; it counts only when it holds a node image already, that is, when somebody uses it for kind.
 */
export async function containerEngine(): Promise<ContainerEngine | undefined> {
  if (await answers('docker', ['info'])) return 'docker';
  const images = ['images', '--quiet', '--filter', 'reference=*kindest/node*'];
  const podman = await attempt('podman', images).catch(() => undefined);
  return podman?.code === 0 && podman.stdout.trim() !== '' ? 'podman' : undefined;
}

/** Brings cluster `number` up with kind; answers at once when it is there. */
export async function upKind(number: number, engine: ContainerEngine): Promise<Cluster> {
  const at = layout(number);
  return await withLock(`${at.dir}.kind.lock`, async () => {
    if (!(await clusters(engine)).includes(name(at))) await create(at, engine);
    return await describeKind(at, engine);
  });
}

/** Removes the kind cluster of that number, if there is one. */
export async function downKind(number: number, engine: ContainerEngine): Promise<void> {
  const at = layout(number);
  await withLock(`${at.dir}.kind.lock`, async () => {
    if ((await clusters(engine)).includes(name(at))) await kind(engine, ['delete', 'cluster', '--name', name(at)]);
    await rm(at.dir, { recursive: true, force: true });
  });
}

export async function runningKind(number: number, engine: ContainerEngine): Promise<Cluster | undefined> {
  const at = layout(number);
  return (await clusters(engine)).includes(name(at)) ? await describeKind(at, engine) : undefined;
}

async function create(at: Layout, engine: ContainerEngine): Promise<void> {
  progress(`creating kind cluster ${name(at)} with ${engine}`);
  const bin = join(at.dir, 'bin');
  await mkdir(bin, { recursive: true });
  await rm(join(bin, 'kubectl'), { force: true });
  await symlink(await goTool(KUBE), join(bin, 'kubectl'));
  await writeFile(join(at.dir, 'kind.yaml'), await configuration(at));
  const files = ['--config', join(at.dir, 'kind.yaml'), '--kubeconfig', at.kubeconfig];
  await kind(engine, ['create', 'cluster', '--name', name(at), ...files, '--wait', '180s']).catch((error: unknown) => {
    throw new Error(`${error}\nTo go without a container engine, set NE_CLUSTER=built`);
  });
  // kind's own class refuses a larger claim; that it cannot really grow one does not matter to a test.
  await (await describeKind(at, engine)).kubectl([
    ...['patch', 'storageclass', 'standard', '-p', '{"allowVolumeExpansion":true}'],
  ]);
}

/** The configuration that users are given; a second cluster cannot have the same ports of this machine. */
async function configuration(at: Layout): Promise<string> {
  const file = new URL('../../../kind-config.yaml', import.meta.url);
  const config = parse(await readFile(file, 'utf8')) as { nodes?: { extraPortMappings?: unknown }[] };
  if (at.number > 1) for (const node of config.nodes ?? []) delete node.extraPortMappings;
  return stringify(config);
}

async function describeKind(at: Layout, engine: ContainerEngine): Promise<Cluster> {
  const node = `${name(at)}-control-plane`;
  const address = '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}';
  const nodeIP = (await run(engine, ['inspect', '-f', address, node])).trim().split(' ')[0] ?? '';
  return {
    number: at.number,
    engine: 'kind',
    kubeconfig: at.kubeconfig,
    nodeIP,
    nodeName: node,
    certsDir: NODE_CERTS_DIR,
    auditLog: at.auditLog,
    binDir: join(at.dir, 'bin'),
    ...kubectlOf(await goTool(KUBE), at),
    loadImage: async (archive) => {
      await kind(engine, ['load', 'image-archive', archive, '--name', name(at)]);
    },
    down: async () => await downKind(at.number, engine),
  };
}

function name(at: Layout): string {
  return `ne-registry-${at.number}`;
}

async function clusters(engine: ContainerEngine): Promise<readonly string[]> {
  return (await kind(engine, ['get', 'clusters'])).split('\n');
}

async function kind(engine: ContainerEngine, args: readonly string[]): Promise<string> {
  return await run(await goTool(KIND), args, { env: { KIND_EXPERIMENTAL_PROVIDER: engine } });
}

async function answers(program: string, args: readonly string[]): Promise<boolean> {
  const answer = await attempt(program, args, { timeoutMs: 20_000 }).catch(() => undefined);
  return answer?.code === 0;
}
