/** The CNCF's registry, as most people run it, for tests that copy from and to it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import bcrypt from 'bcrypt';
import { type GoTool, goTool } from '../e2e/cluster/tools.ts';
import { freePort } from './port.ts';
import { startTokenServer } from './token-server.ts';

const DISTRIBUTION: GoTool = {
  name: 'registry',
  module: 'github.com/distribution/distribution/v3',
  version: 'v3.1.2',
  package: 'cmd/registry',
};

/** The path of its program. */
export async function distributionProgram(): Promise<string> {
  return await goTool(DISTRIBUTION);
}

/** A registry that runs for a test. */
export interface Peer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly login?: { readonly username: string; readonly password: string };
  stop(): Promise<void>;
}

export interface DistributionOptions {
  /** Who may do what: everybody unless given. A user with a password of this run is made. */
  readonly auth?: 'basic' | 'token';
  /** Seconds that tokens are good for; 60 unless given. */
  readonly tokenSeconds?: number;
  /** The program, where it is not version 3. */
  readonly program?: string;
}

/** Starts distribution on a free port, with deletes allowed. */
export async function startDistribution(options: DistributionOptions = {}): Promise<Peer> {
  const program = options.program ?? (await distributionProgram());
  const folder = await mkdtemp(join(tmpdir(), 'ne-distribution-'));
  const login = { username: 'tester', password: randomBytes(12).toString('base64url') };
  const host = `127.0.0.1:${await freePort()}`;
  const { auth, close } = await authentication(options, folder, login);
  const config = {
    version: '0.1',
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: host, secret: randomBytes(12).toString('hex') },
    ...(auth === undefined ? {} : { auth }),
  };
  // JSON is YAML.
  await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
  const child = spawn(program, ['serve', join(folder, 'config.yml')], {
    stdio: 'ignore',
    env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: 'none' },
  });
  await answers(host, child);
  return {
    host,
    ...(auth === undefined ? {} : { login }),
    async stop() {
      await ended(child);
      await close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function authentication(
  { auth, tokenSeconds = 60 }: DistributionOptions,
  folder: string,
  login: { username: string; password: string },
): Promise<{ auth?: object; close: () => Promise<void> }> {
  if (auth === 'basic') {
    const path = join(folder, 'htpasswd');
    // The format of Go's bcrypt is `2y`'s; four rounds, because it is asked on every request.
    const hash = (await bcrypt.hash(login.password, 4)).replace(/^\$2b\$/, '$2y$');
    await writeFile(path, `${login.username}:${hash}\n`);
    return { auth: { htpasswd: { realm: 'peer', path } }, close: async () => {} };
  }
  if (auth === 'token') {
    const server = await startTokenServer({ login, seconds: tokenSeconds });
    const rootcertbundle = join(folder, 'tokens.pem');
    await writeFile(rootcertbundle, server.certificate);
    const { realm, issuer, service } = server;
    return { auth: { token: { realm, issuer, service, rootcertbundle } }, close: server.close };
  }
  return { close: async () => {} };
}

/** Ends a child that the test started, and waits until it is gone. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), 3000);
  await gone;
  clearTimeout(patience);
}

async function answers(host: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (child.exitCode !== null) throw new Error(`the registry ended with ${child.exitCode}`);
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer !== undefined) return;
    await delay(100);
  }
  throw new Error(`the registry at ${host} does not answer`);
}
