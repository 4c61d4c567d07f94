import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attempt } from '../cluster/command.ts';
import { helloImage } from '../cluster/images.ts';
import { cacheRoot } from '../cluster/tools.ts';
import { Obstacle, read } from './ask.ts';
import type { Administrator, Registry } from './registry.ts';
import type { Target } from './target.ts';

const CLI = fileURLToPath(new URL('../../../bin/ne-cli.js', import.meta.url));
export const REPOSITORY = 'demo/hello';
export const TAG = '1';
const NODE_PORT = 30500;

/** What the demo keeps on this machine: the registry's CA and the login of `ne-cli`. */
export const stateFolder = join(cacheRoot(), 'demo');

/** The registry as this machine reaches it. */
export interface Door {
  /** `host:port` that answers from here. */
  readonly authority: string;
  readonly caFile: string;
  /** Environment of `ne-cli`. */
  readonly env: Readonly<Record<string, string>>;
  /** The command that keeps the way open, where that takes one; to be shown to the user. */
  readonly command: string | undefined;
  close(): void;
}

/**
 * Finds a way from this machine to the registry: its node port on localhost (kind) or on a node, else a forwarded port.
 * The certificate is for all of these.
 */
export async function openDoor(on: Target, registry: Registry): Promise<Door> {
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  const caFile = join(stateFolder, 'ca.crt');
  await writeFile(caFile, registry.status?.caBundle ?? '');
  const env = { DOCKER_CONFIG: stateFolder };
  for (const address of await addresses(on)) {
    if (await answers(address)) {
      return { authority: `${address}:${NODE_PORT}`, caFile, env, command: undefined, close: () => undefined };
    }
  }
  const { port, command, child } = await forward(on, registry);
  return { authority: `localhost:${port}`, caFile, env, command, close: () => child.kill() };
}

async function addresses(on: Target): Promise<readonly string[]> {
  interface Nodes {
    items: { status: { addresses?: { type: string; address: string }[] } }[];
  }
  const nodes = await read<Nodes>(on, 'nodes');
  const known = (nodes?.items ?? []).flatMap(({ status }) => status.addresses ?? []);
  const ip = known.filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP').map(({ address }) => address);
  return on.own ? ip : ['localhost', ...ip];
}

async function answers(host: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port: NODE_PORT, timeout: 2000 });
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket
      .on('connect', () => end(true))
      .on('error', () => end(false))
      .on('timeout', () => end(false));
  });
}

async function forward(
  on: Target,
  { metadata }: Registry,
): Promise<{ port: number; command: string; child: ChildProcess }> {
  const args = ['port-forward', '-n', metadata.namespace, `service/${metadata.name}`];
  const child = spawn('kubectl', [...args, ':443'], {
    env: { ...process.env, KUBECONFIG: on.kubeconfig },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const port = await new Promise<number>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      said += chunk.toString();
      const match = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(said);
      if (match !== null) resolve(Number(match[1]));
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', (error) => reject(new Obstacle(`kubectl port-forward: ${error.message}`)));
    child.on('exit', () => reject(new Obstacle(`This machine does not reach the registry: ${said.trim()}`)));
  });
  return { port, command: `kubectl ${args.join(' ')} ${port}:443`, child };
}

/** Pushes the demo's image unless the registry has that very image; gives whether it pushed. */
export async function pushImage(door: Door, { username, password }: Administrator): Promise<boolean> {
  const image = await helloImage();
  const name = `${door.authority}/${REPOSITORY}:${TAG}`;
  await cli(door, ['login', door.authority, '--username', username, '--password-stdin'], password);
  const there = await attempt(process.execPath, [CLI, 'inspect', name, '--output', 'json', '--ca-file', door.caFile], {
    env: door.env,
  });
  if (there.code === 0 && there.stdout.includes(image.digest)) return false;
  await cli(door, ['push', name, image.archive, '--quiet']);
  return true;
}

async function cli(door: Door, args: readonly string[], input?: string): Promise<string> {
  const options = { env: door.env, ...(input === undefined ? {} : { input }) };
  const { code, stdout, stderr } = await attempt(process.execPath, [CLI, ...args, '--ca-file', door.caFile], options);
  if (code !== 0) throw new Obstacle(`ne-cli ${args.join(' ')}: ${(stderr + stdout).trim()}`);
  return stdout;
}

/** Removes the CA and the login. */
export async function forgetState(): Promise<void> {
  await rm(stateFolder, { recursive: true, force: true });
}
