import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Folder in the bundle. */
const compiled = 'compiled';
/** Seconds, on a machine that has much else to do. */
const patience = 60;

/**
 * A program's entrance: what it loads is found compiled where the same Node on a processor with the same features made it; elsewhere,
 * and where the folder is not there or cannot be read, the start takes a little longer. `portable` finds it in another place and as
 * another user; it is not to be combined with `readOnly`, which as of Node 26.10 looks for a folder with the user's number again.
 * @param program the file beside it that is the program
 */
export function entrance(program: string): string {
  return `#!/usr/bin/env node
process.getBuiltinModule('node:module').enableCompileCache({directory:import.meta.dirname+'/${compiled}',portable:true});
await import('./${program}');
`;
}

/**
 * Runs the programs of a bundle once, so that what they load lies there compiled, functions that were called with it.
 * @param loadedLater files that a start in a cluster loads as well
 * @throws Error that names the program that did not run
 */
export async function keepCompiled(bundle: string, loadedLater: readonly string[]): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'ne-compiled-'));
  try {
    await load(bundle, loadedLater, scratch);
    await ended(start(bundle, [join(bundle, 'ne-cli.js'), '--help']), 'ne-cli --help');
    await serve(bundle, scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  await letAllRead(join(bundle, compiled));
}

/** Node makes the files for its own user alone, and the image's programs run as another one than who builds it. */
async function letAllRead(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
}

function start(bundle: string, args: readonly string[]) {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(bundle, compiled), NODE_COMPILE_CACHE_PORTABLE: '1' };
  return spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
}

async function ended(child: ReturnType<typeof start>, what: string): Promise<void> {
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${what} ended with ${code}: the bundle does not run`);
}

async function load(bundle: string, files: readonly string[], scratch: string): Promise<void> {
  const script = join(scratch, 'load.mjs');
  await writeFile(script, files.map((file) => `await import(${JSON.stringify(join(bundle, file))});`).join('\n'));
  await ended(start(bundle, [script]), `loading ${files.join(', ')}`);
}

/** Until it has answered and settled, which is when it keeps what is compiled. */
async function serve(bundle: string, scratch: string): Promise<void> {
  const port = await freePort();
  const config = join(scratch, 'config.json');
  await writeFile(config, JSON.stringify(documentOf(port, join(scratch, 'data'))));
  const child = start(bundle, [join(bundle, 'ne-registry.js'), 'serve', '--config', config]);
  const exited = ended(child, 'ne-registry serve');
  exited.catch(() => undefined);
  const path = `http://127.0.0.1:${port}/v2/_catalog`;
  const answered = async () => (await fetch(path).catch(() => undefined))?.status === 200;
  for (const deadline = Date.now() + patience * 1000; !(await answered()); await pause(50))
    if (child.exitCode !== null || Date.now() > deadline) break;
  child.kill('SIGTERM');
  await exited;
}

function documentOf(port: number, path: string) {
  return {
    apiVersion: 'bootstrap.ne-registry.io/v1alpha1',
    kind: 'RegistryBootstrap',
    listen: { api: `127.0.0.1:${port}` },
    storage: { filesystem: { path } },
    auth: { anonymous: 'Pull' },
    logging: { level: 'error' },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('the kernel gave no port');
  return address.port;
}
