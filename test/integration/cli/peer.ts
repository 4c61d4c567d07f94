import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { distributionProgram } from './distribution-program.ts';

/** A registry that runs for a test. */
export interface Peer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  stop(): Promise<void>;
}

/** Starts distribution on a free port, with deletes allowed; `htpasswd` turns Basic authentication on. */
export async function startDistribution(options: { htpasswd?: string } = {}): Promise<Peer> {
  const program = await distributionProgram();
  const folder = await mkdtemp(join(tmpdir(), 'ne-cli-peer-'));
  const port = await freePort();
  const config: Record<string, unknown> = {
    version: '0.1',
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, secret: 'only-for-upload-states' },
  };
  if (options.htpasswd !== undefined) {
    await writeFile(join(folder, 'htpasswd'), options.htpasswd);
    config.auth = { htpasswd: { realm: 'peer', path: join(folder, 'htpasswd') } };
  }
  await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
  const child = spawn(program, ['serve', join(folder, 'config.yml')], {
    stdio: 'ignore',
    env: { PATH: process.env.PATH },
  });
  const host = `127.0.0.1:${port}`;
  await answers(host, child);
  return {
    host,
    async stop() {
      await ended(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
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

/** A port that nothing listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answers(host: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (child.exitCode !== null) throw new Error(`the peer registry ended with ${child.exitCode}`);
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer !== undefined) return;
    await delay(100);
  }
  throw new Error(`the peer registry at ${host} does not answer`);
}
