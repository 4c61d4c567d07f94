import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RegistryBootstrapInput } from '../../../src/api/bootstrap/v1alpha1.ts';

const root = join(import.meta.dirname, '../../..');
const program = join(root, 'bin/ne-registry.js');

export interface ServerOptions {
  /** Further flags of `ne-registry serve`. */
  flags?: readonly string[];
  /** A data directory to take over; a fresh one unless given. */
  data?: string;
  /** Settings of the bootstrap document beside listeners and storage; in place of `flags`. */
  document?: Omit<RegistryBootstrapInput, 'apiVersion' | 'kind' | 'storage' | 'listen'>;
  /** Where to listen; a free port of the loopback interface unless given. */
  listen?: string;
  /** A folder that `build/bundle.ts` filled: run that, with the image's settings, instead of the sources. */
  bundle?: string;
}

/** A real `ne-registry serve` as a process of its own, with one user whose password was made for this run. */
export interface Server {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  readonly data: string;
  readonly user: string;
  readonly password: string;
  /** `Basic …` of the user. */
  readonly authorization: string;
  readonly pid: number;
  /** Every log line so far. */
  readonly log: readonly string[];
  /** Resident memory, bytes. */
  rss(): number;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Stops it and removes its data. */
  discard(): Promise<void>;
}

/** Users are made once per data directory; a server that takes a directory over gets the same ones. */
const passwords = new Map<string, string>();

export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const data = options.data ?? mkdtempSync(join(tmpdir(), 'ne-registry-test-'));
  const user = 'tester';
  const password = passwords.get(data) ?? (await createUser(data, user));
  passwords.set(data, password);
  const args = options.document === undefined ? flagsFor(options, data) : configFor(options, data);
  const child = options.bundle === undefined ? spawnSources(args) : await spawnBundle(options.bundle, args);
  const log: string[] = [];
  const host = await listening(child, log);
  return describe(child, { host, data, user, password, log });
}

function flagsFor({ listen = '127.0.0.1:0', flags = [] }: ServerOptions, data: string): string[] {
  return ['serve', '--data', data, '--listen', listen, ...flags];
}

/** Writes the document beside the data directory, and again where another one is wanted: it is read anew every two seconds. */
function configFor({ listen = '127.0.0.1:0', document }: ServerOptions, data: string): string[] {
  const file = `${data}.config.json`;
  const whole = { ...document, storage: { filesystem: { path: data } }, listen: { api: listen } };
  const kind = { apiVersion: 'bootstrap.ne-registry.io/v1alpha1', kind: 'RegistryBootstrap' };
  writeFileSync(file, JSON.stringify({ ...kind, ...whole }));
  return ['serve', '--config', file];
}

/** Runs `ne-registry` with arguments and, where given, a text on its standard input. */
export async function run(
  args: readonly string[],
  input = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    output.stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output.stderr += chunk.toString();
  });
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

const stdio = ['ignore', 'pipe', 'pipe'] as const;

function spawnSources(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [program, ...args], { stdio: [...stdio] });
}

async function spawnBundle(folder: string, args: readonly string[]): Promise<ChildProcess> {
  const settings = (await import(join(root, 'bin/settings.js'))) as { flags: string[]; environment: NodeJS.ProcessEnv };
  const env = { ...process.env, ...settings.environment };
  return spawn(process.execPath, [...settings.flags, join(folder, 'ne-registry.js'), ...args], {
    stdio: [...stdio],
    env,
  });
}

async function createUser(data: string, user: string): Promise<string> {
  const password = randomBytes(18).toString('base64url');
  const made = await run(['admin', 'create-user', user, '--data', data, '--password-stdin'], password);
  if (made.code !== 0) throw new Error(`create-user failed: ${made.stderr}${made.stdout}`);
  return password;
}

/** Collects the lines that `serve` writes, and answers the `127.0.0.1:PORT` that it says it serves on. Rejects where it ends before. */
export function listening(child: ChildProcess, log: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const take = (line: string) => {
      log.push(line);
      const port = /"port":(\d+)/.exec(line)?.[1];
      if (port !== undefined && line.includes('"msg":"serving"')) resolve(`127.0.0.1:${port}`);
    };
    if (child.stdout) createInterface(child.stdout).on('line', take);
    if (child.stderr) createInterface(child.stderr).on('line', take);
    child.once('exit', (code) => reject(new Error(`serve ended with ${code}:\n${log.join('\n')}`)));
  });
}

function describe(child: ChildProcess, parts: Pick<Server, 'host' | 'data' | 'user' | 'password' | 'log'>): Server {
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return (await exited)[0];
  };
  return {
    ...parts,
    url: `http://${parts.host}`,
    authorization: `Basic ${Buffer.from(`${parts.user}:${parts.password}`).toString('base64')}`,
    pid: child.pid ?? 0,
    rss: () => residentBytes(child.pid ?? 0),
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
    discard: async () => {
      if (child.exitCode === null && child.signalCode === null) await end('SIGKILL');
      rmSync(parts.data, { recursive: true, force: true });
      rmSync(`${parts.data}.config.json`, { force: true });
    },
  };
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) * 1024;
}
